//! Files of git repositories, through the git program: the port `CatalogSource` over a bare, shallow mirror per
//! repository. Runs git with an environment of its own, without prompts, hooks, filters or submodules, within time and
//! size; judges nothing of what is read.

mod program;
mod repository;
mod target;

pub use program::{Program, inherited};
pub use repository::{GitSource, Limits};
