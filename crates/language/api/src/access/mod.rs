//! Who may come in.

pub mod password_set;
pub mod rights;
pub mod sign_in_link;
pub mod token_create;
pub mod token_delete;
pub mod token_list;
pub mod whoami;
pub mod why;
