use std::sync::Arc;

use crate::config::DtlsConfig;
use crate::mailbox::Mailbox;

pub(crate) async fn run(mailbox: Arc<Mailbox>, _config: DtlsConfig) {
    let _ = mailbox.role().await;
    mailbox.finish();
}
