use core::time::Duration;

use super::IceCredentials;

/// Which end chooses the pair (RFC 8445 section 6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IceRole {
    /// Nominates.
    Controlling,
    /// Follows.
    Controlled,
}

impl IceRole {
    /// The other role.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Controlling => Self::Controlled,
            Self::Controlled => Self::Controlling,
        }
    }
}

/// What an agent needs to know before it begins.
#[derive(Clone, Debug)]
pub struct IceConfig {
    /// Our role at the start. A lite end is always controlled and its full
    /// peer always controlling, whatever stands here.
    pub role: IceRole,
    /// Lite: answers checks and sends none (RFC 8445 section 2.5).
    pub lite: bool,
    /// What the peer's checks are authenticated with.
    pub local: IceCredentials,
    /// What our checks are authenticated with.
    pub remote: IceCredentials,
    /// The peer signalled `a=ice-lite`.
    pub remote_lite: bool,
    /// Usually the default.
    pub timers: IceTimers,
}

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IceTimers {
    /// Between two new checks: Ta of RFC 8445 section 14.2, which recommends
    /// 50 ms and allows 5 ms. Ours are few and small: 20 ms.
    pub pace: Duration,
    /// Before the first retransmission of a check, doubled after each; at
    /// least this, and more where many pairs are under way (RFC 8445 section
    /// 14.3). That section asks for 500 ms or more; we begin at 200 ms, which
    /// is rarely exceeded by a round trip and makes a lost packet cost less.
    pub rto: Duration,
    /// How long a controlling agent with a valid pair waits for a better one
    /// before it nominates.
    pub nomination_delay: Duration,
    /// Between consent checks, randomised by a fifth (RFC 7675 section 5.1).
    pub consent_interval: Duration,
    /// Silence after which we may no longer send (RFC 7675 section 5.1).
    pub consent_expiry: Duration,
    /// From the start until there has to be a nominated pair.
    pub connect_timeout: Duration,
}

impl Default for IceTimers {
    fn default() -> Self {
        Self {
            pace: Duration::from_millis(20),
            rto: Duration::from_millis(200),
            nomination_delay: Duration::from_millis(100),
            consent_interval: Duration::from_secs(5),
            consent_expiry: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(30),
        }
    }
}
