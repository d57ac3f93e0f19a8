//! Limits of pending invitations, so that strangers cannot fill the store.

/// Most invitations that wait for one internal user.
pub const INVITATIONS_PER_USER_MAX: u64 = 50;

/// Most invitations of one partner's users.
pub const INVITATIONS_PER_PARTNER_MAX: u64 = 1000;

/// Most invitations in all.
pub const INVITATIONS_MAX: u64 = 10_000;

/// How long an invitation waits.
pub const INVITATION_DAYS_MAX: u32 = 30;

/// How many invitations wait now.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InvitationCounts {
    /// For the internal user.
    pub of_user: u64,
    /// Of the partner's users.
    pub of_partner: u64,
    /// In all.
    pub total: u64,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvitationLimit {
    /// Of the internal user.
    #[error("{INVITATIONS_PER_USER_MAX} invitations wait for this user already")]
    User,
    /// Of the partner.
    #[error("{INVITATIONS_PER_PARTNER_MAX} invitations of this partner wait already")]
    Partner,
    /// Of all.
    #[error("{INVITATIONS_MAX} invitations wait already")]
    Total,
}

impl InvitationLimit {
    /// By what the dropped invitation is counted.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "invitations_of_user",
            Self::Partner => "invitations_of_partner",
            Self::Total => "invitations_total",
        }
    }
}

impl InvitationCounts {
    /// Whether one more may be kept. One that waits already is not counted again.
    pub fn admit(self) -> Result<(), InvitationLimit> {
        if self.of_user >= INVITATIONS_PER_USER_MAX {
            Err(InvitationLimit::User)
        } else if self.of_partner >= INVITATIONS_PER_PARTNER_MAX {
            Err(InvitationLimit::Partner)
        } else if self.total >= INVITATIONS_MAX {
            Err(InvitationLimit::Total)
        } else {
            Ok(())
        }
    }
}
