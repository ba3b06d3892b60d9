//! Who may come in.

pub mod sign_in_link;
pub mod token_create;
pub mod token_delete;
pub mod token_list;
pub mod whoami;
