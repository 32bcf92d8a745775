//! The contents page of the tests.

mod action;
mod cases;
mod costs;
mod edge;
mod failure;
mod house;
mod invented;
mod jsonapi;
mod live;
mod mail;
mod memory;
mod migration;
mod odd;
mod openapi;
mod pages;
mod permission;
mod process;
mod readme;
mod refused;
mod schema;
mod statement;
mod tidy;
