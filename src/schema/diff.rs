//! The way from a catalog to a schema. (Filled in with the store.)
