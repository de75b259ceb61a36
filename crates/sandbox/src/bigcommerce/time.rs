//! Times as the platform writes them, in three ways.

use domain::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;

/// `2026-11-24T12:00:00+00:00`, as the catalog does.
pub(crate) fn offset(at: Timestamp) -> String {
    format!("{}+00:00", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// `2026-11-24T12:00:00Z`, as customers and price lists do.
pub(crate) fn zulu(at: Timestamp) -> String {
    format!("{}Z", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// `Tue, 24 Nov 2026 12:00:00 +0000`, as V2 does; days have two digits.
pub(crate) fn mail(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Reads any of them, and days.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let day = || {
        let date: jiff::civil::Date = text.parse().ok()?;
        date.to_zoned_datetime(TimeZone::UTC).ok().map(|day| day.timestamp())
    };
    // A plus sign in an address means a space.
    let plain = text.replace(' ', "+");
    text.parse()
        .ok()
        .or_else(|| plain.parse().ok())
        .or_else(|| DateTimeParser::new().parse_timestamp(text).ok())
        .or_else(|| {
            let local: jiff::civil::DateTime = text.parse().ok()?;
            local.to_zoned_datetime(TimeZone::UTC).ok().map(|at| at.timestamp())
        })
        .or_else(day)
        .or_else(|| {
            text.parse::<i64>()
                .ok()
                .filter(|seconds| *seconds > 100_000_000)
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let at = Timestamp::from_second(1_795_521_600).expect("a time");
        assert_eq!(mail(at), "Tue, 24 Nov 2026 12:00:00 +0000");
        for text in [
            offset(at),
            zulu(at),
            mail(at),
            "2026-11-24T12:00:00 00:00".to_owned(),
            "2026-11-24T12:00:00".to_owned(),
        ] {
            assert_eq!(instant(&text), Some(at), "{text}");
        }
        let early = Timestamp::from_second(1_795_521_600 - 20 * 86_400).expect("a time");
        assert_eq!(mail(early), "Wed, 04 Nov 2026 12:00:00 +0000");
        assert_eq!(instant(&mail(early)), Some(early));
        assert!(instant("2026-11-24").is_some_and(|day| day < at));
        assert_eq!(instant("yesterday"), None);
    }
}
