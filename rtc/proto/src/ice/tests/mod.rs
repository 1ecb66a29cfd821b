//! Two agents over a link, in simulated time.

mod connect;
mod consent;
mod hostile;
mod link;
mod renomination;
mod roles;
