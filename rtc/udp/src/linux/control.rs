//! Control messages (cmsg(3)): which local address, and how large the segments.

use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

use libc::{c_int, c_uint, cmsghdr, in_pktinfo, in6_pktinfo, msghdr};

use super::Family;
use super::name::{v4_from_c, v4_to_c, v6_from_c, v6_to_c};

/// Room for the control messages of one datagram, aligned as they must be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control([u8; CONTROL_LEN]);

/// Enough for an address and a size, whichever way they go.
pub(super) const CONTROL_LEN: usize = 96;

const _: () = assert!(space::<in6_pktinfo>() + space::<c_int>() <= CONTROL_LEN);
const _: () = assert!(space::<in_pktinfo>() + space::<u16>() <= CONTROL_LEN);
const _: () = assert!(align_of::<Control>() >= align_of::<cmsghdr>());

impl Control {
    pub(super) const EMPTY: Self = Self([0; CONTROL_LEN]);
}

const fn space<T>() -> usize {
    // SAFETY: arithmetic only.
    (unsafe { libc::CMSG_SPACE(payload_len::<T>()) }) as usize
}

#[allow(clippy::cast_possible_truncation)] // 20 at most
const fn payload_len<T>() -> c_uint {
    size_of::<T>() as c_uint
}

/// Appends control messages to a header.
pub(super) struct Writer<'a> {
    header: &'a mut msghdr,
    used: usize,
}

impl<'a> Writer<'a> {
    /// A writer into `control`, to which `header` will point.
    pub(super) fn new(header: &'a mut msghdr, control: &'a mut Control) -> Self {
        header.msg_control = (&raw mut *control).cast();
        header.msg_controllen = CONTROL_LEN as _;
        Self { header, used: 0 }
    }

    /// Sets the source address. Without one, or with one that the socket
    /// cannot have, the kernel chooses.
    pub(super) fn source(&mut self, addr: SocketAddr, family: Family) {
        let ip = match (addr.ip(), family) {
            (ip, _) if ip.is_unspecified() => return,
            (IpAddr::V4(ip), Family::V4) => {
                let info = in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: v4_to_c(ip),
                    ipi_addr: v4_to_c(Ipv4Addr::UNSPECIFIED),
                };
                return self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            (IpAddr::V4(ip), Family::V6 { dual: true }) => ip.to_ipv6_mapped(),
            (IpAddr::V6(ip), Family::V6 { .. }) => ip,
            _ => return,
        };
        let scope_id = match addr {
            SocketAddr::V6(addr) => addr.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        let info = in6_pktinfo {
            ipi6_addr: v6_to_c(ip),
            // `c_int` or `c_uint`, as the C library has it.
            ipi6_ifindex: scope_id as _,
        };
        self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
    }

    /// Asks the kernel to cut the payload into datagrams of `size` bytes.
    pub(super) fn segment_size(&mut self, size: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, size);
    }

    /// Leaves the header with what was written.
    pub(super) fn finish(self) {
        self.header.msg_controllen = self.used as _;
        if self.used == 0 {
            self.header.msg_control = ptr::null_mut();
        }
    }

    fn push<T: Copy>(&mut self, level: c_int, kind: c_int, value: T) {
        if self.used + space::<T>() > CONTROL_LEN {
            return; // excluded by the assertions above
        }
        // SAFETY: `msg_control` points to `CONTROL_LEN` bytes aligned for a
        // cmsghdr, lent for the life of the writer. `used` is a sum of
        // CMSG_SPACE, so it keeps that alignment, and header and payload end
        // within the buffer by the check above. The payload may be unaligned.
        unsafe {
            let cmsg: *mut cmsghdr = self.header.msg_control.byte_add(self.used).cast();
            (*cmsg).cmsg_level = level;
            (*cmsg).cmsg_type = kind;
            (*cmsg).cmsg_len = libc::CMSG_LEN(payload_len::<T>()) as _;
            libc::CMSG_DATA(cmsg).cast::<T>().write_unaligned(value);
        }
        self.used += space::<T>();
    }
}

/// What the kernel tells of a received message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// The local address it came to, and the interface it came by.
    pub(super) local: Option<(IpAddr, u32)>,
    /// Bytes of each datagram, where several were coalesced.
    pub(super) segment_size: Option<usize>,
}

impl Info {
    /// Reads the control messages of `header`.
    ///
    /// # Safety
    /// `header.msg_control` must point to `header.msg_controllen` readable,
    /// initialised bytes, laid out by the kernel.
    pub(super) unsafe fn read(header: &msghdr) -> Self {
        let mut info = Self::default();
        // SAFETY: by the contract of this function; the macro looks at the two fields only.
        let mut cmsg = unsafe { libc::CMSG_FIRSTHDR(header) };
        while !cmsg.is_null() {
            // SAFETY: the macros return null or a pointer to a whole cmsghdr within the buffer.
            let head = unsafe { cmsg.read_unaligned() };
            match (head.cmsg_level, head.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    // SAFETY: the kernel laid it out.
                    if let Some(got) = unsafe { payload::<in_pktinfo>(cmsg, &head) } {
                        // `ipi_spec_dst` is what to answer from, also where the
                        // datagram came to a broadcast address.
                        info.local = Some((v4_from_c(got.ipi_spec_dst).into(), 0));
                    }
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    // SAFETY: the kernel laid it out.
                    if let Some(got) = unsafe { payload::<in6_pktinfo>(cmsg, &head) } {
                        let ip: Ipv6Addr = v6_from_c(got.ipi6_addr);
                        #[allow(clippy::unnecessary_cast)] // signed in some C libraries
                        let index = got.ipi6_ifindex as u32;
                        info.local = Some((ip.into(), index));
                    }
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    // SAFETY: the kernel laid it out.
                    let got = unsafe { payload::<c_int>(cmsg, &head) };
                    info.segment_size = got.and_then(|size| usize::try_from(size).ok());
                }
                _ => {}
            }
            // SAFETY: `cmsg` came from these macros over this header.
            cmsg = unsafe { libc::CMSG_NXTHDR(header, cmsg) };
        }
        info
    }
}

/// The payload of a control message, where it is long enough.
///
/// # Safety
/// `cmsg` must point to a control message whose header is `head`, with as
/// much payload as that says; `T` must be plain data.
unsafe fn payload<T: Copy>(cmsg: *const cmsghdr, head: &cmsghdr) -> Option<T> {
    // SAFETY: arithmetic only.
    let needed = unsafe { libc::CMSG_LEN(payload_len::<T>()) } as usize;
    #[allow(clippy::unnecessary_cast)] // narrower in some C libraries
    if (head.cmsg_len as usize) < needed {
        return None;
    }
    // SAFETY: the payload is there by the check above and the contract of this function.
    Some(unsafe { libc::CMSG_DATA(cmsg).cast::<T>().read_unaligned() })
}
