//! Checks of the repository as a whole. Each takes what it judges as an argument and gives back what is wrong, so that
//! its own tests can show it something wrong.

pub mod layering;
pub mod links;
pub mod repository;
pub mod wording;
