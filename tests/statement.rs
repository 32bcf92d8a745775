//! Statements: how they are laid out, what stands beside the rule, how many there are, which are kept, and other schemas.

mod barrier;
mod brief;
mod count;
mod golden;
mod kept;
mod schemas;
