//! The moment a template may print, given by the caller: templates have no clock of their own.

/// A local date and time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalTime {
    /// Such as 2026.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

impl LocalTime {
    /// The date and time in UTC, `seconds` after 1970 began.
    pub fn from_unix(seconds: i64) -> LocalTime {
        let days = seconds.div_euclid(86_400);
        let second = seconds.rem_euclid(86_400);
        // Counted from 1 March of year 0, leap days come last in each year, century and era.
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let small = |number: i64| u8::try_from(number).unwrap_or(0);
        LocalTime {
            year: i32::try_from(year).unwrap_or(i32::MAX),
            month: small(month),
            day: small(day),
            hour: small(second / 3_600),
            minute: small(second / 60 % 60),
            second: small(second % 60),
        }
    }

    fn day_of_year(self) -> i64 {
        let month = i64::from(self.month);
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        let before = (367 * month - 362) / 12 - if month <= 2 { 0 } else { 2 - i64::from(leap) };
        before + i64::from(self.day)
    }

    /// 0 is Monday.
    fn weekday(self) -> usize {
        let before = i64::from(self.year) - 1;
        let days = 365 * before + before.div_euclid(4) - before.div_euclid(100)
            + before.div_euclid(400)
            + self.day_of_year();
        usize::try_from((days - 1).rem_euclid(7)).unwrap_or(0)
    }

    /// `strftime` for the conversions that templates use; none for any other.
    pub(super) fn format(self, format: &str) -> Option<String> {
        let mut out = String::new();
        let mut chars = format.chars();
        let name = |names: &[&'static str], at: usize| names.get(at).copied().unwrap_or_default();
        let month = name(&MONTHS, usize::from(self.month).wrapping_sub(1));
        let day = name(&DAYS, self.weekday());
        let hour_12 = i64::from((self.hour + 11) % 12 + 1);
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut conversion = chars.next()?;
            let padded = conversion != '-';
            if !padded {
                conversion = chars.next()?;
            }
            let (number, width) = match conversion {
                'd' => (self.day.into(), 2),
                'm' => (self.month.into(), 2),
                'Y' => (self.year.into(), 4),
                'y' => (i64::from(self.year) % 100, 2),
                'H' => (self.hour.into(), 2),
                'I' => (hour_12, 2),
                'M' => (self.minute.into(), 2),
                'S' => (self.second.into(), 2),
                'j' => (self.day_of_year(), 3),
                _ => {
                    out.push_str(match conversion {
                        'B' => month,
                        'b' => month.get(..3)?,
                        'A' => day,
                        'a' => day.get(..3)?,
                        'p' => ["AM", "PM"][usize::from(self.hour >= 12)],
                        '%' => "%",
                        _ => return None,
                    });
                    continue;
                }
            };
            let width = if padded { width } else { 0 };
            out.push_str(&format!("{number:0width$}"));
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let all = "%a %A %d %-d %b %B %m %y %Y %H:%M:%S %I %p %j %%";
        for (seconds, want) in [
            (
                0,
                "Thu Thursday 01 1 Jan January 01 70 1970 00:00:00 12 AM 001 %",
            ),
            (
                951_782_399,
                "Mon Monday 28 28 Feb February 02 00 2000 23:59:59 11 PM 059 %",
            ),
            (
                951_868_800,
                "Wed Wednesday 01 1 Mar March 03 00 2000 00:00:00 12 AM 061 %",
            ),
            (
                1_735_689_599,
                "Tue Tuesday 31 31 Dec December 12 24 2024 23:59:59 11 PM 366 %",
            ),
            (
                1_795_249_800,
                "Sat Saturday 21 21 Nov November 11 26 2026 08:30:00 08 AM 325 %",
            ),
        ] {
            assert_eq!(LocalTime::from_unix(seconds).format(all).unwrap(), want);
        }
        assert_eq!(LocalTime::from_unix(0).format("%Q"), None);
    }
}
