//! Lays a view out as lines of a width: sections that share a height, each line with its tone.

use std::time::Duration;

use super::view::{Job, Member, Partition, View};
use crate::processes::Role;
use crate::report::{Align, figures, table};
use crate::streams::StreamSummary;

/// How a line is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Title,
    Faint,
    Good,
    Bad,
}

pub type Line = (Tone, String);

/// A bar is never shorter or longer, in characters.
const BAR: std::ops::RangeInclusive<usize> = 6..=24;

struct Section {
    title: String,
    lines: Vec<Line>,
}

/// At most `height` lines of at most `width` characters; a section that does not fit says how much is left out.
pub fn lines(view: &View, width: usize, height: usize) -> Vec<Line> {
    let mut sections = vec![jobs(view, width), lanes(view), processes(view), rejects(view)];
    if !view.streams.is_empty() {
        sections.insert(1, streams(view));
    }
    let trouble = view.trouble.iter().flat_map(|words| words.lines()).map(|line| (Tone::Bad, line.trim().to_owned()));
    let mut lines: Vec<Line> = vec![(Tone::Title, head(view))];
    lines.extend(trouble);
    // A blank line and a title each.
    let room = height.saturating_sub(lines.len() + 2 * sections.len());
    let rooms = share(&sections.iter().map(|section| section.lines.len()).collect::<Vec<_>>(), room);
    for (section, room) in sections.into_iter().zip(rooms) {
        lines.push((Tone::Plain, String::new()));
        lines.push((Tone::Title, section.title));
        lines.extend(cut(section.lines, room));
    }
    lines.truncate(height);
    for (_, line) in &mut lines {
        *line = line.chars().take(width).collect();
    }
    lines
}

/// Each gets what it wants, up to an equal share of what those that want more leave; the first ones get the odd lines.
fn share(wanted: &[usize], room: usize) -> Vec<usize> {
    let mut given = vec![0; wanted.len()];
    let mut left = room;
    while left > 0 && given.iter().zip(wanted).any(|(given, wanted)| given < wanted) {
        for (given, wanted) in given.iter_mut().zip(wanted) {
            if *given < *wanted && left > 0 {
                *given += 1;
                left -= 1;
            }
        }
    }
    given
}

fn cut(mut lines: Vec<Line>, room: usize) -> Vec<Line> {
    let more = lines.len().saturating_sub(room);
    if more == 0 {
        return lines;
    }
    // One more makes way for the line that says so.
    lines.truncate(room.saturating_sub(1));
    if room > 0 {
        lines.push((Tone::Faint, format!("  … {} more", figures::counted(more as u64 + 1, "line", "lines"))));
    }
    lines
}

fn head(view: &View) -> String {
    let at = jiff::Timestamp::from_second(view.at as i64).unwrap_or_default();
    let work = view.jobs.iter().filter(|job| job.is_at_work()).count() as u64;
    let rates = view.jobs.iter().filter(|job| job.is_at_work()).map(|job| job.records_per_second);
    format!(
        "fabric top  {}  {} at work at {}, {} waiting",
        at.strftime("%H:%M:%S UTC"),
        figures::counted(work, "job", "jobs"),
        figures::rate(rates.fold(0.0, |sum, rate| sum + rate)),
        figures::counted(view.waiting(), "chunk", "chunks"),
    )
}

fn jobs(view: &View, width: usize) -> Section {
    let mut lines = vec![];
    let number = view.jobs.iter().map(|job| job.job.to_string().len()).max().unwrap_or(1);
    for job in &view.jobs {
        let tone = match job.state.as_str() {
            "parked" | "stalled" | "incomplete" | "failed" => Tone::Bad,
            "completed" => Tone::Good,
            _ => Tone::Plain,
        };
        let reason = job.reason.as_ref().map(|reason| format!("  {reason}")).unwrap_or_default();
        let name = format!("{} v{}", job.feed, job.feed_version);
        lines.push((tone, format!("  {:>number$}  {name}  {}  {}{reason}", job.job, job.state, job.file)));
        lines.push((Tone::Plain, format!("  {:number$}  {}", "", progress(job, width.saturating_sub(number + 4)))));
    }
    if lines.is_empty() {
        lines.push((Tone::Faint, "  none is under way: `fabric ingest FEED FILE` begins one".to_owned()));
    }
    Section { title: "jobs".to_owned(), lines }
}

/// `████████░░░░   62 %  620,000/1,000,000  378,000/s  1 s left  412 rejects`
fn progress(job: &Job, width: usize) -> String {
    let of = job.of.map(|of| format!("/{}", figures::count(of))).unwrap_or_default();
    let mut figures_of = format!("  {}{of}  {}", figures::count(job.records), figures::rate(job.records_per_second));
    if let Some(left) = job.time_left() {
        figures_of.push_str(&format!("  {} left", figures::whole_duration(left)));
    }
    let rejects = figures::counted(job.rejected, "reject", "rejects");
    figures_of.push_str(&format!("  {rejects}"));
    let share = job.done.map_or_else(|| "    –".to_owned(), |done| format!("{:>3.0} %", done * 100.0));
    let taken = figures_of.chars().count() + share.chars().count() + 2;
    let bar = bar(job.done.unwrap_or(0.0), width.saturating_sub(taken).clamp(*BAR.start(), *BAR.end()));
    format!("{bar}  {share}{figures_of}")
}

fn bar(done: f64, width: usize) -> String {
    // Full only when it is done.
    let filled = ((done * width as f64) as usize).min(width);
    format!("{}{}", "█".repeat(filled), "░".repeat(width - filled))
}

fn streams(view: &View) -> Section {
    let heads = [
        ("stream", Align::Left),
        ("state", Align::Left),
        ("waiting", Align::Right),
        ("loaded", Align::Right),
        ("rejected", Align::Right),
        ("why", Align::Left),
    ];
    let row = |stream: &StreamSummary| {
        vec![
            format!("{} v{}", stream.feed, stream.feed_version),
            stream.state.clone(),
            stream.waiting.map_or("?".to_owned(), |waiting| figures::count(waiting.unsigned_abs())),
            figures::count(stream.loaded.unsigned_abs()),
            figures::count(stream.rejected.unsigned_abs()),
            stream.reason.clone().unwrap_or_default(),
        ]
    };
    let mut lines = tabled(&heads, &view.streams.iter().map(row).collect::<Vec<_>>(), "none");
    for (line, stream) in lines.iter_mut().skip(1).zip(&view.streams) {
        line.0 = if stream.state == "running" { Tone::Plain } else { Tone::Bad };
    }
    Section { title: "streams".to_owned(), lines }
}

/// Those on which most waits come first; those on which nothing waits are one line per holder.
fn lanes(view: &View) -> Section {
    let heads = [
        ("lane", Align::Left),
        ("partition", Align::Right),
        ("waiting", Align::Right),
        ("committed", Align::Right),
        ("end", Align::Right),
        ("held by", Align::Left),
    ];
    let mut busy: Vec<&Partition> = view.partitions.iter().filter(|partition| partition.waiting > 0).collect();
    busy.sort_by_key(|partition| std::cmp::Reverse(partition.waiting));
    let held = |partition: &Partition| partition.held_by.clone().unwrap_or_else(|| "nobody".to_owned());
    let row = |partition: &&Partition| {
        vec![
            partition.lane.to_owned(),
            partition.partition.to_string(),
            figures::count(partition.waiting),
            partition.committed.map_or_else(|| "–".to_owned(), |offset| figures::count(offset.max(0).cast_unsigned())),
            figures::count(partition.end.max(0).cast_unsigned()),
            held(partition),
        ]
    };
    let mut rows: Vec<Vec<String>> = busy.iter().map(row).collect();
    let mut idle: Vec<(&'static str, String, Vec<String>)> = vec![];
    for partition in view.partitions.iter().filter(|partition| partition.waiting == 0) {
        let (lane, holder) = (partition.lane, held(partition));
        let number = partition.partition.to_string();
        match idle.iter_mut().find(|(of, by, _)| *of == lane && *by == holder) {
            Some((_, _, numbers)) => numbers.push(number),
            None => idle.push((lane, holder, vec![number])),
        }
    }
    for (lane, holder, numbers) in idle {
        let none = String::new;
        rows.push(vec![lane.to_owned(), numbers.join(","), "0".to_owned(), none(), none(), holder]);
    }
    Section { title: "lanes".to_owned(), lines: tabled(&heads, &rows, "no lane is there: `fabric topics apply`") }
}

fn processes(view: &View) -> Section {
    let heads = [
        ("process", Align::Left),
        ("up", Align::Right),
        ("chunks", Align::Right),
        ("records", Align::Right),
        ("where time goes", Align::Left),
    ];
    let row = |member: &Member| {
        let process = &member.process;
        let doing = &process.doing;
        let leads = if member.leads { ", leads" } else { "" };
        let up = figures::whole_duration(Duration::try_from_secs_f64(process.up_seconds).unwrap_or_default());
        let place = format!("{} {}/{}{leads}", process.role.as_str(), process.host, process.pid);
        if member.gone {
            let silent = Duration::try_from_secs_f64(process.silent_seconds).unwrap_or_default();
            let none = String::new;
            return vec![place, up, none(), none(), format!("gone: silent for {}", figures::whole_duration(silent))];
        }
        let steward = process.role == Role::Steward;
        let rate = if steward { String::new() } else { figures::rate(doing.records_per_second) };
        let chunks = if process.role == Role::Validate { doing.chunks_in_flight.to_string() } else { String::new() };
        vec![place, up, chunks, rate, stages(member)]
    };
    let rows: Vec<Vec<String>> = view.processes.iter().map(row).collect();
    let mut lines = tabled(&heads, &rows, "none runs: `fabric validate` starts one");
    for (line, member) in lines.iter_mut().skip(1).zip(&view.processes) {
        line.0 = if member.gone { Tone::Bad } else { Tone::Plain };
    }
    Section { title: "processes".to_owned(), lines }
}

/// Of the time of all chunks since the beat before.
fn stages(member: &Member) -> String {
    let stages = &member.process.doing.stages;
    let all: f64 = stages.values().sum();
    // Most first: what a narrow terminal cuts off matters least.
    let mut stages: Vec<_> = stages.iter().filter(|(_, time)| **time > 0.0).collect();
    stages.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    stages.iter().map(|(stage, time)| format!("{stage} {:.0} %", *time / all * 100.0)).collect::<Vec<_>>().join(", ")
}

fn rejects(view: &View) -> Section {
    let heads = [("job", Align::Right), ("rule", Align::Left), ("records", Align::Right)];
    let rows: Vec<Vec<String>> = view
        .rejects
        .iter()
        .map(|rule| vec![rule.job.to_string(), rule.rule.clone(), figures::count(rule.records)])
        .collect();
    Section { title: "rejects of jobs at work".to_owned(), lines: tabled(&heads, &rows, "none") }
}

fn tabled(heads: &[(&str, Align)], rows: &[Vec<String>], none: &str) -> Vec<Line> {
    if rows.is_empty() {
        return vec![(Tone::Faint, format!("  {none}"))];
    }
    let text = table("  ", heads, rows);
    let tone = |index| if index == 0 { Tone::Faint } else { Tone::Plain };
    text.lines().enumerate().map(|(index, line)| (tone(index), line.to_owned())).collect()
}

impl Job {
    fn is_at_work(&self) -> bool {
        matches!(self.state.as_str(), "registered" | "publishing" | "loading" | "reconciling" | "stopping")
    }
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn room_is_shared_evenly_and_what_one_does_not_want_the_others_get() {
        assert_eq!(share(&[2, 9, 1], 20), [2, 9, 1]);
        assert_eq!(share(&[2, 9, 1], 8), [2, 5, 1]);
        assert_eq!(share(&[4, 4], 5), [3, 2]);
        assert_eq!(share(&[4, 4], 0), [0, 0]);
    }
}
