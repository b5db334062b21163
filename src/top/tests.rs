//! What a view shows on terminals of several sizes, and as plain text.

use std::collections::BTreeMap;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::draw::draw;
use super::reading::{JobRow, Reading, RuleRow};
use super::{View, text};
use crate::chunk::Lane;
use crate::kafka::Standing;
use crate::processes::{Doing, Process, Role};
use crate::streams::{StreamSummary, WindowSummary};

fn cards(job_id: i64) -> JobRow {
    JobRow {
        job_id,
        feed: "card-transactions".into(),
        feed_version: 3,
        file: "TXN_20261123.txt".into(),
        state: "loading".into(),
        records: Some(1_000_000),
        source_bytes: Some(174_000_000),
        loaded: 619_588,
        rejected: 412,
        bytes_loaded: 107_000_000,
        age: 2.0,
        ..JobRow::default()
    }
}

fn validator(pid: i32, partitions: Vec<i32>) -> Process {
    Process {
        role: Role::Validate,
        host: "db-loader-1".into(),
        pid,
        version: "0.1.0".into(),
        up_seconds: 11_220.0,
        silent_seconds: 2.0,
        doing: Doing {
            partitions: BTreeMap::from([("normal".into(), partitions)]),
            chunks_in_flight: 9,
            records_per_second: 189_000.0,
            bytes_per_second: 33e6,
            stages: BTreeMap::from([("decode".into(), 0.02), ("judge".into(), 0.5), ("load".into(), 1.5)]),
            config: None,
        },
    }
}

/// A night's middle: one file loading, one parked, one just done, two validators, one of them gone.
fn night() -> Reading {
    let standing = |partition, committed, high| (Lane::Normal, Standing { partition, low: 0, high, committed });
    Reading {
        at: 1_795_500_063.0,
        jobs: vec![
            cards(41),
            JobRow {
                state: "parked".into(),
                reason: Some("target public.card_transactions cannot take records: permission denied".into()),
                rejected: 0,
                loaded: 0,
                ..cards(39)
            },
            JobRow { state: "completed".into(), loaded: 999_588, ended: true, ..cards(40) },
        ],
        rejects: vec![
            RuleRow { job_id: 41, rule: "amount.exclusiveMinimum".into(), records: 302 },
            RuleRow { job_id: 41, rule: "currency.enum".into(), records: 110 },
        ],
        processes: vec![
            validator(811, vec![0, 1, 2]),
            Process { silent_seconds: 65.0, pid: 812, ..validator(812, vec![3]) },
        ],
        leader: Some("db-loader-1/811".into()),
        partitions: vec![
            standing(0, Some(1_200), 1_202),
            standing(1, Some(1_201), 1_201),
            standing(2, Some(990), 1_202),
            standing(3, None, 40),
            (Lane::High, Standing { partition: 0, low: 0, high: 0, committed: None }),
        ],
        streams: vec![],
        trouble: None,
    }
}

fn stream(state: &str, reason: Option<&str>) -> StreamSummary {
    StreamSummary {
        feed: "payments".into(),
        feed_version: 2,
        topic: "p".into(),
        state: state.into(),
        reason: reason.map(str::to_owned),
        loaded: 1_200_000,
        rejected: 31,
        waiting: Some(4_711),
        window: WindowSummary { began: jiff::Timestamp::UNIX_EPOCH, records: 900, rejected: 31 },
        partitions: vec![],
    }
}

/// A second before.
fn before() -> Reading {
    let mut reading = night();
    reading.at -= 1.0;
    reading.jobs[0].loaded -= 378_000;
    reading
}

fn drawn(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn a_night_on_a_terminal_of_80_by_24() {
    insta::assert_snapshot!(drawn(&View::of(Some(&before()), &night()), 80, 24));
}

#[test]
fn a_large_terminal_leaves_nothing_out() {
    let shown = drawn(&View::of(Some(&before()), &night()), 120, 50);
    assert!(!shown.contains('…'), "{shown}");
    assert!(shown.contains("currency.enum") && shown.contains("gone: silent for 1m 05s"), "{shown}");
}

#[test]
fn nothing_going_on_says_what_would_start_something() {
    insta::assert_snapshot!(text(&View::of(None, &Reading::default())));
}

#[test]
fn streams_are_shown_where_there_are_some() {
    let paused = stream("paused", Some("paused by fabric: 31 rejects among 900 records"));
    let reading = Reading { streams: vec![paused, stream("running", None)], ..Reading::default() };
    let shown = text(&View::of(None, &reading));
    assert!(
        shown.contains("payments v2  paused     4,711  1,200,000        31  paused by fabric: 31 rejects"),
        "{shown}"
    );
    assert!(!text(&View::of(None, &night())).contains("streams"));
}

#[test]
fn a_terminal_of_any_size_is_drawn() {
    let view = View::of(None, &night());
    for (width, height) in [(1, 1), (10, 3), (40, 9), (300, 5)] {
        drawn(&view, width, height);
    }
}

#[test]
fn rates_and_times_left_are_of_what_was_done_between_two_readings() {
    let view = View::of(Some(&before()), &night());
    assert!((view.jobs[0].records_per_second - 378_000.0).abs() < 1.0);
    assert!((view.jobs[0].seconds_left.unwrap() - 1.005).abs() < 0.01);
    let of_a_whole_life = View::of(None, &night());
    assert!((of_a_whole_life.jobs[0].records_per_second - 310_000.0).abs() < 1.0);
}

#[test]
fn a_compressed_file_has_no_share_until_its_records_are_counted() {
    let mut reading = night();
    reading.jobs[0].records = None;
    assert!(View::of(None, &reading).jobs[0].done.is_some_and(|done| (done - 107.0 / 174.0).abs() < 0.01));
    reading.jobs[0].bytes_loaded = 200_000_000;
    assert_eq!(View::of(None, &reading).jobs[0].done, None);
}

#[test]
fn what_a_process_that_is_gone_held_is_held_by_nobody() {
    let view = View::of(None, &night());
    assert_eq!(view.partitions[0].held_by.as_deref(), Some("db-loader-1/811"));
    assert_eq!(view.partitions[3].held_by, None);
}
