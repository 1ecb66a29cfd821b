//! Channels to an end that echoes.

use std::collections::VecDeque;

use transom_rtc_proto::channel::{ChannelConfig, ChannelEvent, ChannelId, MessageKind};
use transom_rtc_proto::port::{Delivery, Reliability};

use crate::end::End;

pub(crate) async fn run(mut end: End) -> Result<(), String> {
    let reliable = open(&mut end, ChannelConfig::new("reliable")).await?;
    let large: Vec<u8> = (0..60_000_u32).map(|i| (i % 251) as u8).collect();
    let mut expected: VecDeque<(MessageKind, Vec<u8>)> = VecDeque::new();
    for (kind, data) in [
        (MessageKind::Text, "grüß dich".as_bytes().to_vec()),
        (MessageKind::Binary, vec![0, 255, 1]),
        (MessageKind::Binary, large),
        (MessageKind::Text, Vec::new()),
        (MessageKind::Binary, Vec::new()),
        (MessageKind::Text, b"last".to_vec()),
    ] {
        let sent = end.handle.send_message(reliable, kind, data.clone()).await;
        sent.map_err(|e| format!("cannot send {} bytes: {e}", data.len()))?;
        expected.push_back((kind, data));
    }
    while let Some((kind, data)) = expected.pop_front() {
        let got = message(&mut end, reliable).await?;
        if got != (kind, data.clone()) {
            let (got_kind, got) = got;
            return Err(format!(
                "sent {kind:?} of {} bytes, got {got_kind:?} of {}",
                data.len(),
                got.len()
            ));
        }
    }

    let delivery = Delivery {
        ordered: false,
        reliability: Reliability::MaxRetransmits(0),
    };
    let control = open(&mut end, ChannelConfig::new("control").delivery(delivery)).await?;
    for n in 0..50_u8 {
        let sent = end
            .handle
            .try_send_message(control, MessageKind::Binary, vec![n]);
        sent.map_err(|e| e.to_string())?;
        let got = message(&mut end, control).await?;
        if got != (MessageKind::Binary, vec![n]) {
            return Err(format!("sent setpoint {n}, got {got:?}"));
        }
    }

    end.handle.close_channel(reliable).await;
    loop {
        match next(&mut end).await? {
            ChannelEvent::Closed { channel } if channel == reliable => break,
            _ => {}
        }
    }
    // Its number may be used again; the other one still works.
    open(&mut end, ChannelConfig::new("again")).await?;
    let last = MessageKind::Text;
    let sent = end.handle.send_message(control, last, b"end".to_vec());
    sent.await.map_err(|e| e.to_string())?;
    message(&mut end, control).await?;
    end.handle.close().await;
    match end.driver.await {
        Ok(Ok(_)) => Ok(()),
        other => Err(format!("ended with {other:?}")),
    }
}

async fn open(end: &mut End, config: ChannelConfig) -> Result<ChannelId, String> {
    let label = config.info.label.clone();
    let opened = end.handle.open_channel(config).await;
    let id = opened.map_err(|e| format!("cannot open {label}: {e}"))?;
    loop {
        match next(end).await? {
            ChannelEvent::Opened { channel, .. } if channel == id => return Ok(id),
            ChannelEvent::Closed { channel } if channel == id => {
                return Err(format!("{label} was refused"));
            }
            _ => {}
        }
    }
}

async fn message(end: &mut End, of: ChannelId) -> Result<(MessageKind, Vec<u8>), String> {
    loop {
        match next(end).await? {
            ChannelEvent::Message {
                channel,
                kind,
                data,
            } if channel == of => return Ok((kind, data)),
            ChannelEvent::Closed { channel } if channel == of => {
                return Err(String::from("closed while a message was expected"));
            }
            _ => {}
        }
    }
}

async fn next(end: &mut End) -> Result<ChannelEvent, String> {
    let event = end.channels.recv().await;
    event.ok_or_else(|| String::from("the other end is gone"))
}
