//! Structs that are read as the controller reads JSON: absent and null fields are defaults,
//! unknown fields are ignored, a wrong type is an error.

macro_rules! wire {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub(crate) struct $name {
            $($(#[$attribute])*
            #[serde(deserialize_with = "crate::manifest::null_as_default")]
            pub(crate) $field: $type,)*
        }
    };
}

pub(crate) use wire;
