//! Catalog files from a folder of this machine and from the web: two sources behind the port `CatalogSource`, and the
//! reader of whole locations on these and others. Reads only
//! below what a target names, follows no link out of it, and within limits; judges nothing of what is read.

mod file;
mod reader;
mod web;

pub use file::FileSource;
pub use reader::Reader;
pub use web::WebSource;
