//! Sends back what comes.

use transom_rtc_proto::channel::{ChannelEvent, ChannelSendError};
use transom_rtc_proto::peer::CloseReason;
use transom_rtc_tokio::driver::MessageRefused;

use crate::end::End;

pub(crate) async fn run(mut end: End) -> Result<(), String> {
    while let Some(event) = end.channels.recv().await {
        match event {
            ChannelEvent::Message { channel, data, .. } if data == b"close" => {
                end.handle.close_channel(channel).await;
            }
            ChannelEvent::Message {
                channel,
                kind,
                data,
            } => loop {
                match end.handle.send_message(channel, kind, data.clone()).await {
                    Err(MessageRefused::Channel(ChannelSendError::WouldBlock)) => {
                        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                    }
                    Err(MessageRefused::Channel(ChannelSendError::NoChannel)) | Ok(()) => break,
                    Err(error) => return Err(format!("cannot echo: {error}")),
                }
            },
            ChannelEvent::Opened { channel, info, .. } => {
                println!("opened {} {info:?}", channel.stream().0);
            }
            ChannelEvent::Closed { channel } => println!("closed {}", channel.stream().0),
            ChannelEvent::BufferedLow { .. } => {}
        }
    }
    match end.driver.await {
        Ok(Ok(CloseReason::Remote)) => Ok(()),
        other => Err(format!("ended with {other:?}")),
    }
}
