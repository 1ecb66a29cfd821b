use transom_control::Order;

/// What a command needs to pass to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing but the drive scope, and it takes the lease from whoever has it: who sees the danger need not
    /// be who drives.
    Stops,
    /// The lease, which is taken where it is free; and then the device may move.
    Arms,
    /// The lease, which is taken where it is free: a light is switched, and a door opened, by whoever asks while
    /// nobody drives.
    Takes,
    /// The lease.
    Lease,
    /// The lease; without it nothing is lost.
    Idle,
}

impl Need {
    pub(super) const fn of(order: &Order) -> Self {
        match order {
            Order::Stop { .. } | Order::Emergency { .. } => Self::Stops,
            Order::Arm { .. } => Self::Arms,
            Order::Reset { .. } | Order::Switch { .. } => Self::Takes,
            Order::Setpoint { .. } | Order::Disarm { .. } => Self::Lease,
            Order::Ping => Self::Idle,
        }
    }
}
