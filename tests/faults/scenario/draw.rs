//! A seed into a scenario.

use super::{Act, Armed, Blow, By, Clock, Death, Fault, Job, Killer, Lane, Pace, Producing, Protocol, Scenario};
use super::{Server, Step, Stream, Trouble, Wait, Who};
use crate::dice::Dice;
use crate::feeds::{Form, Keys};
use crate::records::FileOf;

/// What is asked of a scenario beside its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub pace: Pace,
    /// Five faults or more.
    pub rich: bool,
}

/// Where processes can be struck; `None`: by no failpoint. Names of [`Armed::point`].
pub type Points = [&'static str];

pub fn draw(seed: u64, size: Size, points: &Points) -> Scenario {
    let mut dice = Dice::new(seed);
    let dice = &mut dice;
    let protocol = if dice.percent(70) { Protocol::Classic } else { Protocol::Consumer };
    let keys = if dice.percent(30) { Keys::Unique } else { Keys::Free };
    let mut scenario = Scenario {
        seed,
        size,
        protocol,
        keys,
        validators: dice.weighted(&[(2, 1), (5, 2), (2, 3)]),
        later_validators: 0,
        stewards: dice.weighted(&[(5, 0), (4, 1), (1, 2)]),
        clocks: Vec::new(),
        armed: Vec::new(),
        killer: None,
        patience_of_commands: dice.pick(&[2, 60]),
        jobs: Vec::new(),
        streams: Vec::new(),
        steps: Vec::new(),
    };
    let jobs = dice.weighted(&[(3, 1), (4, 2), (2, 3), (1, 4)]);
    for number in 0..jobs {
        scenario.jobs.push(job(number, size, keys, dice));
    }
    for number in 0..dice.weighted(&[(4, 0), (5, 1), (2, 2)]) {
        scenario.streams.push(stream(number, size, dice));
    }
    schedule(&mut scenario, points, dice);
    scenario
}

fn job(number: usize, size: Size, keys: Keys, dice: &mut Dice) -> Job {
    let records = match size.pace {
        Pace::Quick => dice.between(4_000, 16_000),
        Pace::Usual => dice.between(20_000, 100_000),
    };
    let by = dice.weighted(&[(10, By::Ingest), (5, By::Resuming), (2, By::Twice), (4, By::Hostile)]);
    let letters = format!("F{}", char::from(b'A' + u8::try_from(number).expect("there are few jobs")));
    Job {
        file: FileOf {
            records: if by == By::Hostile { records / 4 } else { records },
            seed: dice.seed(),
            letters,
            keys,
        },
        lane: if dice.percent(25) { Lane::High } else { Lane::Normal },
        by,
        chunk: dice.pick(&[4096, 6000, 16_384]),
    }
}

fn stream(number: usize, size: Size, dice: &mut Dice) -> Stream {
    let messages = match size.pace {
        Pace::Quick => dice.between(800, 3_000),
        Pace::Usual => dice.between(4_000, 15_000),
    };
    Stream {
        name: format!("payments-{}", number + 1),
        form: dice.pick(&[Form::Json, Form::Delimited, Form::Avro]),
        producing: if dice.percent(35) { Producing::Transactions } else { Producing::Plain },
        partitions: dice.pick(&[1, 2, 3]),
        messages,
        seed: dice.seed(),
    }
}

fn schedule(scenario: &mut Scenario, points: &Points, dice: &mut Dice) {
    let size = scenario.size;
    let faults = if size.rich { dice.between(5, 9) } else { dice.between(2, 5) };
    let mut acts: Vec<Act> = (1..scenario.jobs.len()).map(Act::Begin).collect();
    if dice.percent(40) {
        acts.extend((0..dice.between(1, 2)).map(|_| Act::ActivateFiles));
    }
    for stream in 0..scenario.streams.len() {
        if dice.percent(50) {
            acts.extend((0..dice.between(1, 2)).map(|_| Act::ActivateStream(stream)));
        }
    }
    let cancellable: Vec<usize> =
        (0..scenario.jobs.len()).filter(|job| matches!(scenario.jobs[*job].by, By::Ingest | By::Resuming)).collect();
    let cancels = !cancellable.is_empty() && dice.percent(15);
    let mut left = faults;
    while left > 0 {
        left -= 1;
        if !points.is_empty() && dice.percent(45) {
            let armed = armed(scenario, points, dice);
            scenario.armed.push(armed);
        } else if dice.below(30) == 0 {
            let who = member(scenario, dice);
            scenario.clocks.retain(|(its, _)| *its != who);
            scenario.clocks.push((who, dice.pick(&[Clock::Fast, Clock::Slow])));
        } else {
            let fault = fault(scenario, dice);
            if let Fault::Joins { .. } = fault {
                scenario.later_validators += 1;
            }
            acts.push(Act::Fault(fault));
        }
    }
    only_one_abandoned(&mut acts);
    shuffle(&mut acts, dice);
    only_one_restore(&mut acts, dice);
    // What was cancelled since is forgotten by a restore as well.
    if cancels && !acts.contains(&Act::Fault(Fault::Restored)) {
        cancel(&mut acts, dice.pick(&cancellable), dice);
    }
    let abandons = acts.iter().any(|act| matches!(act, Act::Fault(Fault::Abandoned { .. })));
    let is_busy_enough = acts.contains(&Act::Fault(Fault::Restored)) || cancels || abandons;
    if !is_busy_enough && dice.percent(8) {
        scenario.killer = killer(scenario, dice);
    }
    held_up(&mut acts, size, dice);
    let mut steps = vec![Step { wait: Wait::Millis(0), act: Act::Begin(0) }];
    for act in acts {
        let is_locked = matches!(steps.last(), Some(Step { act: Act::Fault(Fault::TargetLocked { .. }), .. }));
        // Nothing loads meanwhile.
        let wait = if is_locked { Wait::Millis(dice.between(100, 400)) } else { wait(size, dice) };
        steps.push(Step { wait, act });
    }
    strike_publishers_early(&mut steps, dice);
    scenario.steps = steps;
}

/// A file is published within a second: what befalls its publisher does so at once.
fn strike_publishers_early(steps: &mut Vec<Step>, dice: &mut Dice) {
    let struck = |step: &Step| match step.act {
        Act::Fault(
            Fault::Killed { who: Who::Publisher(job), .. }
            | Fault::Frozen { who: Who::Publisher(job), .. }
            | Fault::Network { who: Who::Publisher(job), .. },
        ) => Some(job),
        _ => None,
    };
    let strikes: Vec<(usize, Step)> = steps.iter().filter_map(|step| Some((struck(step)?, step.clone()))).collect();
    steps.retain(|step| struck(step).is_none());
    for (job, strike) in strikes {
        let begun = steps.iter().position(|step| step.act == Act::Begin(job)).map_or(0, |at| at + 1);
        steps.insert(begun, Step { wait: Wait::Millis(dice.between(50, 450)), act: strike.act });
    }
}

/// Members come and go, and jobs are cancelled, while loads are held up in the middle: now and then.
fn held_up(acts: &mut Vec<Act>, size: Size, dice: &mut Dice) {
    let lasting = if size.pace == Pace::Quick { dice.between(2_000, 3_200) } else { dice.between(3_000, 4_500) };
    let is_one = |act: &Act| {
        matches!(act, Act::Cancel(_) | Act::Fault(Fault::Joins { .. } | Fault::Leaves { who: Who::Validator(_), .. }))
    };
    if let Some(at) = acts.iter().position(is_one)
        && dice.percent(50)
    {
        acts.insert(at, Act::Fault(Fault::TargetLocked { lasting }));
    }
}

/// Somebody must be left.
fn only_one_abandoned(acts: &mut Vec<Act>) {
    let mut seen = false;
    acts.retain(|act| !matches!(act, Act::Fault(Fault::Abandoned { .. })) || !std::mem::replace(&mut seen, true));
}

/// A restore needs something kept before it, and one is enough.
fn only_one_restore(acts: &mut Vec<Act>, dice: &mut Dice) {
    let Some(first) = acts.iter().position(|act| *act == Act::Fault(Fault::Restored)) else { return };
    let mut seen = false;
    acts.retain(|act| *act != Act::Fault(Fault::Restored) || !std::mem::replace(&mut seen, true));
    acts.insert(dice.index(first + 1), Act::Keep);
}

/// Some time after it has begun.
fn cancel(acts: &mut Vec<Act>, job: usize, dice: &mut Dice) {
    let begun = acts.iter().position(|act| *act == Act::Begin(job)).map_or(0, |at| at + 1);
    let at = begun + dice.index((acts.len() - begun + 1).min(3));
    acts.insert(at, Act::Cancel(job));
}

/// A sound record of its own in a file that `fabric ingest` publishes.
fn killer(scenario: &Scenario, dice: &mut Dice) -> Option<Killer> {
    let job = dice.index(scenario.jobs.len());
    let record = dice.below(scenario.jobs[job].file.records);
    let death = dice.pick(&[Death::Abort, Death::Panic]);
    (scenario.jobs[job].by != By::Hostile).then_some(Killer { job, record, death })
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for last in (1..items.len()).rev() {
        items.swap(last, dice.index(last + 1));
    }
}

fn wait(size: Size, dice: &mut Dice) -> Wait {
    if dice.percent(60) {
        return Wait::Loaded(dice.between(1, 60));
    }
    match size.pace {
        Pace::Quick => Wait::Millis(dice.between(20, 700)),
        Pace::Usual => Wait::Millis(dice.between(50, 3_000)),
    }
}

/// A validator or a steward.
fn member(scenario: &Scenario, dice: &mut Dice) -> Who {
    let members = scenario.validators + scenario.stewards;
    match dice.index(members) {
        number if number < scenario.validators => Who::Validator(number),
        number => Who::Steward(number - scenario.validators),
    }
}

fn anybody(scenario: &Scenario, dice: &mut Dice) -> Who {
    let published: Vec<usize> = (0..scenario.jobs.len()).filter(|job| scenario.jobs[*job].by != By::Hostile).collect();
    if !published.is_empty() && dice.percent(25) {
        Who::Publisher(dice.pick(&published))
    } else {
        member(scenario, dice)
    }
}

fn validator(scenario: &Scenario, dice: &mut Dice) -> Who {
    Who::Validator(dice.index(scenario.validators))
}

fn armed(scenario: &Scenario, points: &Points, dice: &mut Dice) -> Armed {
    let point = dice.pick(points);
    let sleep = Blow::Sleep(u32::try_from(dice.between(20, 1_500)).expect("it is small"));
    let blow = dice.weighted(&[
        (45, Blow::Kill),
        (20, Blow::Stop),
        (15, sleep),
        (8, Blow::Panic),
        (if crate::points::may_fail(point) { 25 } else { 0 }, Blow::Error),
    ]);
    let times = match blow {
        Blow::Kill | Blow::Stop | Blow::Panic => 1,
        Blow::Sleep(_) | Blow::Error => u32::try_from(dice.between(1, 4)).expect("it is small"),
    };
    let who = dice.weighted(&crate::points::whose(point, scenario));
    let passes = u32::try_from(dice.pick(&[0, 0, 0, 1, 2, 4, 8, 16])).expect("it is small");
    let life = dice.weighted(&[(8, 0), (2, 1)]);
    Armed { who, life, point, passes, blow, times }
}

fn fault(scenario: &Scenario, dice: &mut Dice) -> Fault {
    let quick = scenario.size.pace == Pace::Quick;
    let back = if quick { dice.between(50, 1_200) } else { dice.between(100, 4_000) };
    let lasting = if quick { dice.between(200, 2_500) } else { dice.between(500, 9_000) };
    // Longer than a session, an eviction and an election.
    let frozen = if quick { dice.between(300, 4_000) } else { dice.between(3_000, 14_000) };
    let who = anybody(scenario, dice);
    let validator = validator(scenario, dice);
    let mut among = vec![
        (16, Fault::Killed { who, back }),
        (10, Fault::KilledLoading { who: validator, back }),
        (8, Fault::Leaves { who: member(scenario, dice), back }),
        (10, Fault::Frozen { who, lasting: frozen }),
        (7, Fault::FrozenLoading { who: validator, lasting: frozen }),
        (if scenario.validators > 1 { 4 } else { 0 }, Fault::Abandoned { who: validator }),
        (4, Fault::Joins { who: Who::Validator(scenario.validators + scenario.later_validators) }),
        (3, Fault::PostgresKilled { back: back / 2 }),
        (3, Fault::PostgresRestarted),
        (2, Fault::KafkaRestarted),
        (1, Fault::RedisRestarted),
        (1, Fault::RedisFlushed),
        (6, Fault::SessionsEnded),
        (5, Fault::DatabaseClosed { lasting }),
        (2, Fault::ConnectionsTaken { lasting }),
        (4, Fault::Restored),
        (2, Fault::DiskFull { lasting }),
        (3, Fault::TargetGone { lasting }),
        (3, Fault::TargetLocked { lasting }),
        (3, Fault::RightRevoked { lasting }),
        (3, Fault::LanePartitions { high: dice.percent(30) }),
        (26, network(who, if quick { lasting * 3 / 2 } else { lasting }, dice)),
    ];
    if !scenario.streams.is_empty() {
        among.push((3, Fault::StreamPartitions { stream: dice.index(scenario.streams.len()) }));
        among.push((4, Fault::StreamPaused { stream: dice.index(scenario.streams.len()), lasting }));
    }
    dice.weighted(&among)
}

fn network(who: Who, lasting: u64, dice: &mut Dice) -> Fault {
    let server = dice.weighted(&[(5, Server::Kafka), (6, Server::Postgres), (1, Server::Redis)]);
    let (rate, bytes) = (dice.between(20_000, 400_000), dice.between(200, 60_000));
    let trouble = dice.weighted(&[
        (4, Trouble::Cut),
        (2, Trouble::Refused),
        (2, Trouble::Slow(rate)),
        (4, Trouble::Reset(bytes)),
        (5, Trouble::AnswersLost),
        (2, Trouble::HalfOpen),
    ]);
    Fault::Network { who, server, trouble, lasting }
}
