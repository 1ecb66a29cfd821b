//! The lease to drive, between operators and the server; the device sees neither message.
//!
//! ```text
//! Request, operator to server on `control-reliable` (12 bytes):
//!
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  version = 1  |   kind = 64   |    action     |  reserved = 0 |   0
//! |               number (the sender's, told again)               |   4
//! |            about: whose asking (grant, deny), or 0            |   8
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! Notice, server to operator on `control-reliable` (80 bytes):
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  version = 1  |  kind = 192   | 0 0 0 0 0 0 A F |   result    |   0
//! |         number of the request that `result` is about          |   4
//! |                             lease                             |   8
//! |                      you (your source)                        |  12
//! |                     holder, or 0: nobody                      |  16
//! |                     asker, or 0: nobody                       |  20
//! |      milliseconds until the lease ends unless renewed         |  24
//! |      milliseconds until the asking counts as denied           |  28
//! |             holder's name, 24 bytes, zeros behind it          |  32
//! |             asker's name, 24 bytes, zeros behind it           |  56
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! F: the lease is firm; A: you may override
//! ```
//!
//! A lease is **firm** where it was asked for by a request: nobody else takes it while its holder says
//! something now and then. One that an arm took is soft: it is free again while the device rests.

use core::fmt;

use super::VERSION;
use super::bytes::Reader;
use super::error::WireError;
use crate::numbers::{Lease, Source};

/// The kind of a request.
pub const LEASE_REQUEST: u8 = 64;
/// The kind of a notice.
pub const LEASE_NOTICE: u8 = 192;
/// The length of a request, in bytes.
pub const LEASE_REQUEST_LEN: usize = 12;
/// The length of a notice, in bytes.
pub const LEASE_NOTICE_LEN: usize = 80;

const FIRM: u8 = 1;
const ADMIN: u8 = 2;

/// What an operator asks of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The sender's; the answer names it.
    pub number: u32,
    /// What is asked.
    pub action: LeaseAction,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseAction {
    /// Tell me how it stands, and from now on whenever that changes. So does every other action.
    Query,
    /// Give me a firm lease if it is free, or make mine firm.
    Acquire,
    /// I am still here. Every command of the holder says so as well.
    Renew,
    /// I give it up; or, of one who asks, I ask no more.
    Release,
    /// Ask the holder to hand it over; if it is free, the same as acquire.
    Ask,
    /// As the holder: hand it over to this one, who asks.
    Grant(Source),
    /// As the holder: keep it from this one, who asks.
    Deny(Source),
    /// Give it to me whoever has it; needs the scope `admin`.
    Override,
}

impl LeaseAction {
    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::Query => 0,
            Self::Acquire => 1,
            Self::Renew => 2,
            Self::Release => 3,
            Self::Ask => 4,
            Self::Grant(_) => 5,
            Self::Deny(_) => 6,
            Self::Override => 7,
        }
    }

    /// A word for logs, and for the test vectors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Acquire => "acquire",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Ask => "ask",
            Self::Grant(_) => "grant",
            Self::Deny(_) => "deny",
            Self::Override => "override",
        }
    }

    /// Whose asking it is about; the server's own number for nobody.
    pub const fn about(self) -> Source {
        match self {
            Self::Grant(about) | Self::Deny(about) => about,
            _ => Source(0),
        }
    }

    const fn new(code: u8, about: Source) -> Result<Self, WireError> {
        let action = match (code, about) {
            (5 | 6, Source(0)) => return Err(WireError::Action(code)),
            (5, about) => return Ok(Self::Grant(about)),
            (6, about) => return Ok(Self::Deny(about)),
            (0, _) => Self::Query,
            (1, _) => Self::Acquire,
            (2, _) => Self::Renew,
            (3, _) => Self::Release,
            (4, _) => Self::Ask,
            (7, _) => Self::Override,
            _ => return Err(WireError::Action(code)),
        };
        if about.0 == 0 {
            Ok(action)
        } else {
            Err(WireError::Reserved)
        }
    }
}

/// What became of a request. The numbers are those on the wire; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LeaseResult {
    /// Done. Of an ask: the lease is yours.
    Done = 1,
    /// The holder was asked, and has ten seconds.
    Asked = 2,
    /// Somebody else has it. Mend: ask for it.
    Held = 3,
    /// Somebody else asks already. Mend: ask again later.
    Busy = 4,
    /// You do not hold it.
    NotHolder = 5,
    /// That one does not ask, or no longer.
    NobodyAsks = 6,
    /// The holder keeps it.
    Denied = 7,
    /// The holder did not answer.
    Lapsed = 8,
    /// Your token has no scope `admin`.
    NotAdmin = 9,
    /// The stream has no device, or it has not reported yet.
    NoDevice = 10,
    /// No number is left to give. Mend: start the device anew.
    NoLease = 11,
    /// Whom you asked lost it to somebody else, or the device is gone.
    Over = 12,
}

impl LeaseResult {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Asked,
        Self::Held,
        Self::Busy,
        Self::NotHolder,
        Self::NobodyAsks,
        Self::Denied,
        Self::Lapsed,
        Self::NotAdmin,
        Self::NoDevice,
        Self::NoLease,
        Self::Over,
    ];

    /// The byte on the wire.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What the byte means, if anything.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.code() == code)
    }

    /// Whether nothing came of it.
    pub const fn is_refusal(self) -> bool {
        !matches!(self, Self::Done | Self::Asked)
    }

    /// A word for figures, and for the test vectors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Asked => "asked",
            Self::Held => "held",
            Self::Busy => "busy",
            Self::NotHolder => "not_holder",
            Self::NobodyAsks => "nobody_asks",
            Self::Denied => "denied",
            Self::Lapsed => "lapsed",
            Self::NotAdmin => "not_admin",
            Self::NoDevice => "no_device",
            Self::NoLease => "no_lease",
            Self::Over => "over",
        }
    }
}

/// A short name: at most 24 bytes of UTF-8 without control characters. May be empty.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseName {
    bytes: [u8; Self::MAX],
}

impl LeaseName {
    /// Bytes in the longest.
    pub const MAX: usize = 24;
    /// None.
    pub const EMPTY: Self = Self {
        bytes: [0; Self::MAX],
    };

    /// As much of `name` as fits, without what a name cannot have.
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; Self::MAX];
        let mut rest = bytes.as_mut_slice();
        for letter in name.chars().filter(|letter| !letter.is_control()) {
            let Some((room, behind)) = rest.split_at_mut_checked(letter.len_utf8()) else {
                break;
            };
            letter.encode_utf8(room);
            rest = behind;
        }
        Self { bytes }
    }

    fn parse(bytes: [u8; Self::MAX]) -> Result<Self, WireError> {
        let name = Self { bytes };
        let mut behind = bytes.iter().skip_while(|byte| **byte != 0);
        let clean = behind.all(|byte| *byte == 0)
            && core::str::from_utf8(&bytes).is_ok()
            && !name.as_str().chars().any(char::is_control);
        clean.then_some(name).ok_or(WireError::Name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let len = self.bytes.iter().take_while(|byte| **byte != 0).count();
        let name = self.bytes.get(..len).unwrap_or_default();
        core::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Debug for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// An operator, as others hear of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseParty {
    /// As the server stamps it into their commands; never zero.
    pub source: Source,
    /// What they are called.
    pub name: LeaseName,
}

/// Who holds the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// Who.
    pub party: LeaseParty,
    /// Of a firm lease: milliseconds until it ends unless its holder says something.
    pub firm_ms: Option<u32>,
    /// Who wants it handed over, and for how many milliseconds more.
    pub asker: Option<(LeaseParty, u32)>,
}

/// How the lease stands, as the server tells one operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseNotice {
    /// The highest lease given.
    pub lease: Lease,
    /// Whom it is told.
    pub you: Source,
    /// Whether that one may override.
    pub admin: bool,
    /// Who holds it; `None`: nobody does.
    pub holder: Option<LeaseHolder>,
    /// The number of a request of that one, and what became of it.
    pub answer: Option<(u32, LeaseResult)>,
}

impl LeaseRequest {
    /// Whether these bytes mean to be one, or are for the device.
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.get(1) == Some(&LEASE_REQUEST)
    }

    /// Reads one whole message.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = open(bytes, LEASE_REQUEST, LEASE_REQUEST_LEN)?;
        let code = reader.u8()?;
        reader.reserved::<1>()?;
        let number = reader.u32()?;
        let action = LeaseAction::new(code, Source(reader.u32()?))?;
        Ok(Self { number, action })
    }

    /// Writes it.
    pub fn emit(&self) -> [u8; LEASE_REQUEST_LEN] {
        let mut bytes = [0; LEASE_REQUEST_LEN];
        let mut rest = bytes.as_mut_slice();
        put(&mut rest, [VERSION, LEASE_REQUEST, self.action.code(), 0]);
        put(&mut rest, self.number.to_be_bytes());
        put(&mut rest, self.action.about().0.to_be_bytes());
        bytes
    }
}

impl LeaseNotice {
    /// Whether these bytes mean to be one, or are a report.
    pub fn is_meant(bytes: &[u8]) -> bool {
        bytes.get(1) == Some(&LEASE_NOTICE)
    }

    /// Reads one whole message.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = open(bytes, LEASE_NOTICE, LEASE_NOTICE_LEN)?;
        let flags = reader.u8()?;
        if flags & !(FIRM | ADMIN) != 0 {
            return Err(WireError::Reserved);
        }
        let code = reader.u8()?;
        let number = reader.u32()?;
        let answer = match (code, number) {
            (0, 0) => None,
            (0, _) => return Err(WireError::Reserved),
            _ => Some((
                number,
                LeaseResult::from_code(code).ok_or(WireError::Result(code))?,
            )),
        };
        let (lease, you) = (Lease(reader.u32()?), Source(reader.u32()?));
        let (holder, asker) = (reader.u32()?, reader.u32()?);
        let (firm_ms, asks_ms) = (reader.u32()?, reader.u32()?);
        let (holder_name, asker_name) = (reader.take()?, reader.take()?);
        let holder = party(holder, holder_name)?;
        let asker = party(asker, asker_name)?;
        let firm = flags & FIRM != 0;
        // What belongs to nobody must be zero.
        if (!firm && firm_ms != 0) || (asker.is_none() && asks_ms != 0) {
            return Err(WireError::Reserved);
        }
        let holder = match (holder, asker) {
            (Some(party), asker) => Some(LeaseHolder {
                party,
                firm_ms: firm.then_some(firm_ms),
                asker: asker.map(|asker| (asker, asks_ms)),
            }),
            (None, None) if !firm => None,
            (None, _) => return Err(WireError::Reserved),
        };
        Ok(Self {
            lease,
            you,
            admin: flags & ADMIN != 0,
            holder,
            answer,
        })
    }

    /// Writes it.
    pub fn emit(&self) -> [u8; LEASE_NOTICE_LEN] {
        let mut bytes = [0; LEASE_NOTICE_LEN];
        let mut rest = bytes.as_mut_slice();
        let firm_ms = self.holder.and_then(|holder| holder.firm_ms);
        let holder = self.holder.map(|holder| holder.party);
        let asker = self.holder.and_then(|holder| holder.asker);
        let (number, result) = self.answer.map_or((0, 0), |(n, r)| (n, r.code()));
        let flags = if firm_ms.is_some() { FIRM } else { 0 } | if self.admin { ADMIN } else { 0 };
        put(&mut rest, [VERSION, LEASE_NOTICE, flags, result]);
        let source = |party: Option<LeaseParty>| party.map_or(0, |party| party.source.0);
        let asks = asker.map(|(party, _)| party);
        for word in [
            number,
            self.lease.0,
            self.you.0,
            source(holder),
            source(asks),
            firm_ms.unwrap_or_default(),
            asker.map_or(0, |(_, left_ms)| left_ms),
        ] {
            put(&mut rest, word.to_be_bytes());
        }
        for name in [holder, asks] {
            put(
                &mut rest,
                name.map_or_else(Default::default, |p| p.name.bytes),
            );
        }
        bytes
    }
}

/// Version, kind and length; what follows.
fn open(bytes: &[u8], kind: u8, len: usize) -> Result<Reader<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    let version = reader.u8()?;
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let code = reader.u8()?;
    if code != kind {
        return Err(WireError::Kind(code));
    }
    if bytes.len() != len {
        return Err(WireError::Length(bytes.len()));
    }
    Ok(reader)
}

fn party(source: u32, name: [u8; LeaseName::MAX]) -> Result<Option<LeaseParty>, WireError> {
    let name = LeaseName::parse(name)?;
    match (source, name.as_str()) {
        (0, "") => Ok(None),
        (0, _) => Err(WireError::Name),
        (source, _) => Ok(Some(LeaseParty {
            source: Source(source),
            name,
        })),
    }
}

/// Writes to the front of what is left; the lengths above leave room for all.
fn put<const N: usize>(rest: &mut &mut [u8], bytes: [u8; N]) {
    if let Some((room, behind)) = core::mem::take(rest).split_first_chunk_mut::<N>() {
        *room = bytes;
        *rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_cut_between_letters_and_cleaned() {
        assert_eq!(LeaseName::new("neighbour").as_str(), "neighbour");
        assert_eq!(LeaseName::new("").as_str(), "");
        let long = LeaseName::new("ääääääääääääää");
        assert_eq!(long.as_str(), "ääääääääääää");
        let odd = LeaseName::new("aäääääääääääää");
        assert_eq!(odd.as_str(), "aäääääääääää");
        assert_eq!(LeaseName::new("a\0b\nc\u{85}").as_str(), "abc");
        for name in [long, odd, LeaseName::new("a\0b")] {
            assert_eq!(LeaseName::parse(name.bytes), Ok(name));
        }
    }
}
