use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::ptr;

use libc::{iovec, mmsghdr};

use super::UdpSocket;
use super::control::{CONTROL_LEN, Control, Info};
use super::name::{NAME_LEN, Name, canonical};
use crate::batch::Message;
use crate::{MAX_MESSAGES, RecvBatch};

impl UdpSocket {
    /// Fills `batch` with what has arrived, by one system call, and returns how
    /// many datagrams that makes: 0 where everything taken was dropped
    /// (truncated, or empty). Call it until `WouldBlock`, or until
    /// the batch is not [full](RecvBatch::is_full) where readiness is level-triggered.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is waiting; others where the socket is unusable.
    pub fn recv(&self, batch: &mut RecvBatch) -> io::Result<usize> {
        let mut names = [const { MaybeUninit::uninit() }; MAX_MESSAGES];
        let mut controls = [const { MaybeUninit::uninit() }; MAX_MESSAGES];
        let mut buffers = [const { MaybeUninit::uninit() }; MAX_MESSAGES];
        let mut headers = [const { MaybeUninit::<mmsghdr>::uninit() }; MAX_MESSAGES];

        let mut capacity = 0;
        let rooms = names.iter_mut().zip(&mut controls).zip(&mut buffers);
        for ((buffer, header), ((name, control), iov)) in
            batch.buffers_mut().zip(&mut headers).zip(rooms)
        {
            let iov = iov.write(iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: buffer.len(),
            });
            // SAFETY: all zero is a valid mmsghdr: null pointers with zero lengths.
            let header = header.write(unsafe { zeroed() });
            header.msg_hdr.msg_name = (&raw mut *name.write(Name::EMPTY)).cast();
            header.msg_hdr.msg_namelen = NAME_LEN;
            header.msg_hdr.msg_iov = iov;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = (&raw mut *control.write(Control::EMPTY)).cast();
            header.msg_hdr.msg_controllen = CONTROL_LEN as _;
            capacity += 1;
        }

        let received = self.recvmmsg(&mut headers, capacity)?.min(capacity);
        // The headers point into `names` and `controls`, which are read from here on.
        let messages = headers.iter().take(received).zip(&names);
        let datagrams = batch.fill(messages.map(|(header, name)| {
            // SAFETY: header and name were written above, being among the first `capacity`.
            let (header, name) = unsafe { (header.assume_init_ref(), name.assume_init_ref()) };
            // SAFETY: recvmmsg filled this header; its control buffer, zeroed
            // before, is alive and not written to any more.
            let info = unsafe { Info::read(&header.msg_hdr) };
            self.message(header, name, info).unwrap_or(Message::NONE)
        }));
        self.tally.recv_calls.add(1);
        self.tally.received.add(datagrams);
        Ok(datagrams)
    }

    /// The first `count` of `headers` are written, and point to live buffers of the lengths they say.
    fn recvmmsg(&self, headers: &mut [MaybeUninit<mmsghdr>], count: usize) -> io::Result<usize> {
        loop {
            // SAFETY: `recv`, the only caller, has set every pointer and length
            // of the first `count` headers to buffers that outlive the call.
            let received = unsafe {
                libc::recvmmsg(
                    self.fd.as_raw_fd(),
                    headers.as_mut_ptr().cast(),
                    count as _, // at most 64
                    0,
                    ptr::null_mut(),
                )
            };
            if let Ok(received) = usize::try_from(received) {
                return Ok(received);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    /// What came with `header`, unless it has to be dropped.
    fn message(&self, header: &mmsghdr, name: &Name, info: Info) -> Option<Message> {
        let cut = libc::MSG_TRUNC | libc::MSG_CTRUNC;
        if header.msg_hdr.msg_flags & cut != 0 {
            self.tally.truncated.add(1);
            return None;
        }
        let len = header.msg_len as usize;
        Some(Message {
            local: self.local_of(info.local),
            remote: name.decode(header.msg_hdr.msg_namelen)?,
            len,
            segment_size: info.segment_size.unwrap_or(len),
        })
    }

    fn local_of(&self, told: Option<(IpAddr, u32)>) -> SocketAddr {
        let port = self.local_addr.port();
        match told {
            Some((IpAddr::V6(ip), interface)) => canonical(ip, port, interface),
            Some((ip, _)) => (ip, port).into(),
            None => self.local_addr,
        }
    }
}
