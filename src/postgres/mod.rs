//! What is said to postgres: SQL, `psql` command lines, and how text is quoted in them.

pub(crate) mod crowd;
pub(crate) mod fresh_login;
pub(crate) mod inventory;
pub(crate) mod prospects;
pub(crate) mod psql;
pub(crate) mod quote;
pub(crate) mod role_password;
pub(crate) mod server;
pub(crate) mod session;
pub(crate) mod source;
