//! What a program tells of itself.
//!
//! [`Exposition`] writes Prometheus' text format, version 0.0.4, from numbers
//! that are kept elsewhere: there is no registry, so that a hot path counts in
//! plain integers and knows nothing of metrics. [`Scrape`] reads it back and is
//! stricter than Prometheus: tests hold the programs to it. [`Process`] has what
//! the system knows of the process, and [`LogFilter`] is a level for each module,
//! with every slip explained. [`ServiceManager`] is systemd's ear.
#![forbid(unsafe_code)]

pub mod bounds;
mod exposition;
mod histogram;
mod log_filter;
mod process;
mod scrape;
mod service_manager;

pub use exposition::{CONTENT_TYPE, Exposition, Family, HistogramFamily, Number};
pub use histogram::Histogram;
pub use log_filter::{Crate, LogFilter, LogFilterError, LogNames};
pub use process::Process;
pub use scrape::{Sample, Scrape, ScrapeError};
pub use service_manager::ServiceManager;
