//! What is asked in which order, and what follows a failure: no clock, no network, no disk.

use std::time::Duration;

use httpdate::parse_http_date;
use medley_data::registry::PublishedFile;

use crate::FetchOptions;

/// The longest pause between two attempts, unless the server asks for one.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);

/// An attempt that brings fewer bytes than this beyond the farthest one has made no progress: a server that hands out a few bytes for
/// each connection would be asked for ever.
const PROGRESS: u64 = 16 << 10;

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In words.
    pub(crate) problem: String,
    /// Whether another attempt may help.
    pub(crate) temporary: bool,
    /// Whether what had arrived was thrown away, as the server does not continue it.
    pub(crate) restarts: bool,
    /// How long the server asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// What follows a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt, after this pause.
    After(Duration),
    /// No more attempts here, and why.
    GiveUp(String),
}

/// Counts the attempts at one address.
#[derive(Debug)]
pub(crate) struct Retry {
    attempts: u32,
    failed: u32,
    /// The most bytes that were here after an attempt.
    farthest: u64,
    restarted: bool,
    pause: Duration,
    first_pause: Duration,
    longest_asked: Duration,
}

impl Failure {
    pub(crate) fn temporary(problem: impl ToString) -> Self {
        Self { problem: problem.to_string(), temporary: true, restarts: false, retry_after: None }
    }

    /// The server does not continue what had arrived.
    pub(crate) fn of_rest(problem: impl ToString) -> Self {
        Self { restarts: true, ..Self::temporary(problem) }
    }

    pub(crate) fn permanent(problem: impl ToString) -> Self {
        Self { temporary: false, ..Self::temporary(problem) }
    }

    /// Of a status other than success.
    pub(crate) fn of_status(status: u16, retry_after: Option<Duration>) -> Self {
        let temporary = matches!(status, 408 | 425 | 429 | 500..=599);
        Self {
            problem: format!("the server answered {status}"),
            temporary,
            restarts: false,
            retry_after: retry_after.filter(|_| temporary),
        }
    }
}

impl Retry {
    /// `have` bytes are here of an earlier session.
    pub(crate) fn new(options: &FetchOptions, have: u64) -> Self {
        Self {
            attempts: options.attempts.max(1),
            failed: 0,
            farthest: have,
            restarted: false,
            pause: options.backoff,
            first_pause: options.backoff,
            longest_asked: options.longest_pause,
        }
    }

    /// What follows a failure after which `have` bytes were here. An attempt that got farther than those before it is no failed one:
    /// a bad line gets a large file home in the end. What was begun is given up once, as a server that never continues it would
    /// let it grow to the same place again and again.
    pub(crate) fn next(&mut self, failure: &Failure, have: u64) -> Next {
        if have >= self.farthest.saturating_add(PROGRESS) {
            (self.failed, self.pause, self.farthest) = (0, self.first_pause, have);
        }
        self.failed += 1;
        if failure.restarts && self.restarted {
            return Next::GiveUp(format!("{}, nor after a start from zero", failure.problem));
        }
        self.restarted |= failure.restarts;
        if !failure.temporary || self.failed >= self.attempts {
            return Next::GiveUp(format!("{} (attempt {} of {})", failure.problem, self.failed, self.attempts));
        }
        let pause = self.pause;
        self.pause = self.pause.saturating_mul(2).min(LONGEST_BACKOFF);
        match failure.retry_after {
            Some(asked) if asked > self.longest_asked => Next::GiveUp(format!(
                "{} and asks for a pause of {} s, more than is allowed ({} s)",
                failure.problem,
                asked.as_secs(),
                self.longest_asked.as_secs()
            )),
            Some(asked) => Next::After(asked.max(pause)),
            None => Next::After(pause),
        }
    }
}

/// Where a file is asked for, in order.
pub(crate) fn addresses(published: &PublishedFile, file: &str, options: &FetchOptions) -> Vec<String> {
    let under = |base: &String| format!("{}/{file}", base.trim_end_matches('/'));
    let first = options.base_url.as_ref().map_or_else(|| published.url.clone(), under);
    let mut urls = vec![first];
    for mirror in options.mirrors.iter().map(under) {
        if !urls.contains(&mirror) {
            urls.push(mirror);
        }
    }
    urls
}

/// `Retry-After` in seconds, or as a date that is compared with the `Date` of the same answer, so that no clock is needed here.
pub(crate) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let (then, now) = (parse_http_date(value).ok()?, parse_http_date(date?.trim()).ok()?);
    Some(then.duration_since(now).unwrap_or_default())
}

/// What a `Content-Range` such as `bytes 100-199/200` says: where the range begins, and the length of the whole, if known.
pub(crate) fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let first = range.split_once('-')?.0.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(attempts: u32) -> FetchOptions {
        FetchOptions { attempts, ..FetchOptions::default() }
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut retry = Retry::new(&options(10), 0);
        let failure = Failure::temporary("x");
        let pauses: Vec<_> = (0..8).map(|_| retry.next(&failure, 0)).collect();
        let seconds = [1, 2, 4, 8, 16, 32, 60, 60];
        assert_eq!(pauses, seconds.map(|seconds| Next::After(Duration::from_secs(seconds))));
        retry.next(&failure, 0);
        assert_eq!(retry.next(&failure, 0), Next::GiveUp("x (attempt 10 of 10)".into()));
    }

    #[test]
    fn attempts_that_get_farther_do_not_count() {
        let mut retry = Retry::new(&options(2), 5);
        for turn in 1..20 {
            let next = retry.next(&Failure::temporary("x"), 5 + turn * PROGRESS);
            assert_eq!(next, Next::After(Duration::from_secs(1)), "{turn}");
        }
        assert!(matches!(retry.next(&Failure::temporary("x"), 20 * PROGRESS), Next::GiveUp(_)));
        // The same bytes once more, and a few bytes more each time, are no progress.
        let mut retry = Retry::new(&options(3), 0);
        let pauses: Vec<_> = (0..3).map(|turn| retry.next(&Failure::temporary("x"), 100_000 + turn)).collect();
        assert!(matches!(pauses[..], [Next::After(_), Next::After(_), Next::GiveUp(_)]), "{pauses:?}");
    }

    #[test]
    fn what_was_begun_is_given_up_once() {
        let mut retry = Retry::new(&options(9), 0);
        let turns: Vec<_> = (0..4)
            .map(|turn| match turn % 2 {
                0 => retry.next(&Failure::temporary("cut"), 100_000),
                _ => retry.next(&Failure::of_rest("it has no rest"), 0),
            })
            .collect();
        assert!(matches!(&turns[..3], [Next::After(_), Next::After(_), Next::After(_)]), "{turns:?}");
        assert_eq!(turns[3], Next::GiveUp("it has no rest, nor after a start from zero".into()));
    }

    #[test]
    fn a_server_is_waited_for_as_it_asks_within_limits() {
        let asked = |seconds| Failure::of_status(503, Some(Duration::from_secs(seconds)));
        assert_eq!(Retry::new(&options(3), 0).next(&asked(90), 0), Next::After(Duration::from_secs(90)));
        assert_eq!(Retry::new(&options(3), 0).next(&asked(0), 0), Next::After(Duration::from_secs(1)));
        assert!(
            matches!(Retry::new(&options(3), 0).next(&asked(121), 0), Next::GiveUp(text) if text.contains("121 s"))
        );
        assert!(matches!(Retry::new(&options(3), 0).next(&Failure::of_status(404, None), 0), Next::GiveUp(_)));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after(" 7 ", None), Some(Duration::from_secs(7)));
        let now = Some("Sun, 28 Feb 2027 23:59:30 GMT");
        assert_eq!(retry_after("Mon, 01 Mar 2027 00:00:10 GMT", now), Some(Duration::from_secs(40)));
        assert_eq!(retry_after("Sun, 28 Feb 2027 00:00:00 GMT", now), Some(Duration::ZERO));
        let leap = Some("Mon, 28 Feb 2028 23:59:30 GMT");
        assert_eq!(retry_after("Wed, 01 Mar 2028 00:00:10 GMT", leap), Some(Duration::from_secs(86_440)));
        for odd in ["", "-1", "soon", "Sun, 32 Feb 2027 23:59:30 GMT", "Sun, 1 Foo 2027 0:0:0 GMT", "Sun, 1 Feb"] {
            assert_eq!(retry_after(odd, now), None, "{odd}");
        }
        assert_eq!(retry_after("Mon, 01 Mar 2027 00:00:10 GMT", None), None);
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 100-199/*"), Some((100, None)));
        for odd in ["bytes */200", "items 100-199/200", "bytes 100", "bytes -1-2/3", ""] {
            assert_eq!(content_range(odd), None, "{odd}");
        }
    }

    #[test]
    fn addresses_are_asked_in_order_and_once() {
        let published = PublishedFile { size: 28, md5: String::new(), url: "https://a/x.npz".into() };
        let mirrors = vec!["https://b/".to_owned(), "https://c/d".to_owned(), "https://b".to_owned()];
        let options = FetchOptions { mirrors, ..FetchOptions::default() };
        assert_eq!(
            addresses(&published, "x.npz", &options),
            ["https://a/x.npz", "https://b/x.npz", "https://c/d/x.npz"]
        );
        let own = FetchOptions { base_url: Some("http://e//".into()), ..FetchOptions::default() };
        assert_eq!(addresses(&published, "x.npz", &own), ["http://e/x.npz"]);
    }
}
