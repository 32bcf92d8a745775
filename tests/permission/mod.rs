//! Permissions: the rule on every surface there is so far, against a second writing of it.

mod aggregate;
mod changing;
mod columns;
mod explain;
mod leaks;
mod links;
mod matrix;
mod model;
mod nodes;
mod oracle;
mod over;
mod plans;
mod proof;
mod properties;
mod scene;
mod sharing;
mod told;
