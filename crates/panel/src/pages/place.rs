//! Where a page is: the places of the bar with their tabs, in the original's words.

use super::Words;

/// A place of the bar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    Overview,
    Federation,
    Inside,
    Users,
    Monitoring,
    Security,
    Account,
}

/// A link of the bar or a tab.
pub(super) struct Tab {
    pub(super) href: &'static str,
    pub(super) word: &'static str,
    pub(super) is_current: bool,
}

impl Place {
    const BAR: [Self; 6] =
        [Self::Overview, Self::Federation, Self::Inside, Self::Users, Self::Monitoring, Self::Security];

    pub(super) fn bar(self, words: &'static Words) -> Vec<Tab> {
        let tab = |place: Self| Tab { href: place.home(), word: place.word(words), is_current: place == self };
        Self::BAR.into_iter().map(tab).collect()
    }

    /// Its tabs, of which `current` is open; none where there is one page alone.
    pub(super) fn tabs(self, words: &'static Words, current: &str) -> Vec<Tab> {
        let all: &[(&'static str, &'static str)] = match self {
            Self::Federation => &[
                ("/policies", words.access_policy),
                ("/settings", words.access_edge),
                ("/partners", words.partners),
                ("/import", words.import),
            ],
            Self::Monitoring => &[
                ("/streams", words.streams),
                ("/reports", words.reports),
                ("/registrations", words.registrations),
                ("/message", words.test_message),
            ],
            Self::Security => &[
                ("/administrators", words.administrators),
                ("/tokens", words.tokens),
                ("/certificates", words.certificates),
                ("/audit", words.audit),
            ],
            _ => &[],
        };
        all.iter().map(|(href, word)| Tab { href, word, is_current: *href == current }).collect()
    }

    pub(super) fn word(self, words: &'static Words) -> &'static str {
        match self {
            Self::Overview => words.overview,
            Self::Federation => words.federation,
            Self::Inside => words.domains_and_trunks,
            Self::Users => words.users,
            Self::Monitoring => words.monitoring,
            Self::Security => words.security,
            Self::Account => words.account,
        }
    }

    fn home(self) -> &'static str {
        match self {
            Self::Overview => "/",
            Self::Federation => "/partners",
            Self::Inside => "/domains",
            Self::Users => "/users",
            Self::Monitoring => "/streams",
            Self::Security => "/administrators",
            Self::Account => "/account",
        }
    }
}
