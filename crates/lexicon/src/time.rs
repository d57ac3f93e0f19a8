//! Time as an argument: pure crates have no clock.

use std::{
    fmt,
    ops::{Add, Range, Sub},
    str::FromStr,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, as certificates count them.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// `2026-11-23T08:28:00.000Z`, the profile of XEP-0082.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (seconds, millis) = (in_day / 1000 % 60, in_day % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

/// What [`Timestamp`] is read from: a day, which is its first moment, or a moment to the second or millisecond, in UTC.
impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let whole = match text.len() {
            10 => format!("{text}T00:00:00.000Z"),
            20 => format!("{}.000Z", text.strip_suffix('Z').ok_or(NotATime)?),
            _ => text.to_owned(),
        };
        let number = |range: Range<usize>| {
            let digits = whole.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<i64>().ok()).ok_or(NotATime)
        };
        let days = days_from_civil(number(0..4)?, number(5..7)?, number(8..10)?);
        let seconds = number(11..13)? * 3600 + number(14..16)? * 60 + number(17..19)?;
        let time = Self(days * 86_400_000 + seconds * 1000 + number(20..23)?);
        // Neither a 30 February nor another separator comes back the same.
        if time.to_string() == whole { Ok(time) } else { Err(NotATime) }
    }
}

/// A text is neither `2026-11-23` nor `2026-11-23T08:28:00Z`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a day like 2026-11-23 or a time like 2026-11-23T08:28:00Z is expected")
    }
}

impl std::error::Error for NotATime {}

/// The inverse of [`civil_from_days`].
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Days since 1970-01-01 to year, month, day of the proleptic Gregorian calendar; years start on 1 March inside.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The moment of a call into a protocol machine: monotonic time for deadlines, wall time for what people and
/// certificates say.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines and ages.
    pub instant: Instant,
    /// For stamps and validity.
    pub wall: Timestamp,
}

impl Add<Duration> for Now {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { instant: self.instant + duration, wall: self.wall + duration }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_reads_as_utc() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_795_422_480_123, "2026-11-23T08:28:00.123Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        }
    }

    #[test]
    fn a_day_or_a_moment_is_read() {
        for (text, millis) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400_000),
            ("2026-11-23T08:28:00Z", 1_795_422_480_000),
            ("2026-11-23T08:28:00.123Z", 1_795_422_480_123),
            ("2100-02-28T23:59:59.999Z", 4_107_542_399_999),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-02-30",
            "2026-13-01",
            "2026-00-10",
            "2026/11/23",
            "2026-11-23T24:00:00Z",
            "2026-11-23T08:60:00Z",
            "2026-11-23 08:28:00Z",
            "2026-11-23T08:28:00+01",
            "2026-11-23T08:28:00",
            "+026-11-23",
            "２026-11-2",
            "2026-11-23T08:28:00.1Z",
            "2026-11-23T08:28:00.123Zz",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }
}
