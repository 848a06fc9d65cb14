use super::*;
use proptest::prelude::*;

const STEADY: &str = "cluster=0123456789abcdef0123456789abcdef\nepoch=7\nprimary=1\nstate=steady\n";

#[test]
fn a_steady_record() {
    let record: TopologyRecord = STEADY.parse().unwrap();
    assert_eq!(record.epoch, 7);
    assert_eq!(record.state, State::Steady);
    assert_eq!(record.to_string(), STEADY);
}

#[test]
fn a_handover_needs_both_of_its_pods() {
    let text = STEADY.replace("steady", "handover\ntarget=2\nstopped_at=0/5A8");
    let record: TopologyRecord = text.parse().unwrap();
    let needed: Vec<_> = record.needed_pods().map(|pod| pod.to_string()).collect();
    assert_eq!(needed, ["1", "2"]);
    assert_eq!(record.to_string(), text);
}

#[test]
fn everything_else_is_no_record() {
    let broken = [
        String::new(),
        "\n".into(),
        STEADY.trim_end().into(),
        STEADY.replace("epoch=7", "epoch=07"),
        STEADY.replace("epoch=7", "epoch=-7"),
        STEADY.replace("epoch=7", "epoch=1234567890123456789"),
        STEADY.replace("primary=1", "primary=01"),
        STEADY.replace("primary=1", "primary= 1"),
        STEADY.replace("cluster=0", "cluster=X"),
        STEADY.replace("steady", "ready"),
        STEADY.replace("steady", "handover"),
        STEADY.replace("steady", "steady\ntarget=2"),
        STEADY.replace("steady", "handover\ntarget=2\nstopped_at=x/y"),
        format!("{STEADY}\n"),
        format!("{STEADY}# note\n"),
        format!("{STEADY}other=1\n"),
        format!("{STEADY}epoch=8\n"),
        format!("{STEADY}timeline=0\n"),
        format!("{STEADY}timeline=04\n"),
        format!("{STEADY}timeline=1234567890\n"),
        format!("{STEADY}clean=\n"),
        format!("{STEADY}clean=0,\n"),
        format!("{STEADY}clean=0@\n"),
        format!("{STEADY}clean=0@0/5a8\n"),
        format!("{STEADY}clean=0@0/5A8,0@0/6B0\n"),
        format!("{STEADY}settles=0\n"),
        STEADY.replace('\n', "\r\n"),
    ];
    for text in broken {
        assert_eq!(text.parse::<TopologyRecord>(), Err(NotARecord), "{text:?}");
    }
}

proptest! {
    #[test]
    fn what_was_read_is_written_the_same(text in "(cluster=[0-9a-f]{32}\n)(epoch=[1-9][0-9]{0,5}\n)(primary=[0-9]\n)(state=steady\n|state=handover\ntarget=[0-9]\n|state=maintenance\n)(timeline=[1-9][0-9]{0,8}\n)?(clean=1(@[0-9A-F]{1,8}/[0-9A-F]{1,8})?(,2@[0-9A-F]{1,8}/[0-9A-F]{1,8})?\n)?(rejoin=[0-9]\n)?(settles=[1-9][0-9]{0,5}\n)?") {
        let record: TopologyRecord = text.parse().unwrap();
        prop_assert_eq!(record.to_string(), text);
    }
}
