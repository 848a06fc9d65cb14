//! `defaults`: what it prints is what an empty block means.

use serde_json::json;

use crate::support::{expand_spec, hcl, plugin, run};

#[test]
fn the_block_means_the_same_as_an_empty_one() {
    let text = run(plugin().arg("defaults")).stdout;
    let spec = hcl::spec(&text);
    let empty = expand_spec(&json!({}));
    assert_eq!(expand_spec(&spec).document(), empty.document());
}

#[test]
fn the_block_names_every_field_of_the_plugin() {
    let spec = hcl::spec(&run(plugin().arg("defaults")).stdout);
    let document = run(plugin().args(["defaults", "--json"])).document();
    for (name, value) in document.as_object().unwrap() {
        assert_eq!(&spec[name], value, "{name}");
    }
    assert_eq!(document.as_object().unwrap().len(), 11);
}

#[test]
fn the_document_is_no_envelope() {
    let document = run(plugin().args(["defaults", "-o", "json"])).document();
    assert!(document.get("status").is_none());
}
