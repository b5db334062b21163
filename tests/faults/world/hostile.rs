//! A publisher that wishes a job ill: it repeats chunks, sends them out of order, and forges some. The forged ones are to
//! change nothing, and to be buried.

use serde_json::Value;

use super::World;
use crate::dice::Dice;
use crate::feeds;
use crate::program::Program;

impl World {
    /// How many of the messages were forged.
    pub async fn publish_hostile(&self, job: usize) -> usize {
        let its = &self.scenario.jobs[job];
        let opened = self.must(&["jobs", "open", feeds::FILES, "--lane", its.lane.word(), "--json"]);
        let opened: Value = serde_json::from_str(&opened).expect("fabric prints JSON");
        let path = self.path(job);
        let program = Program::of(&opened, &path);
        let stranger = Program::of(&with(&opened, "token", Value::from("ab".repeat(16))), &path);
        let nobody = Program::of(&with(&opened, "job", Value::from(i64::MAX)), &path);

        let mut dice = Dice::new(its.file.seed);
        let mut order: Vec<usize> = (0..program.pieces.len()).collect();
        for window in order.chunks_mut(8) {
            for last in (1..window.len()).rev() {
                window.swap(last, dice.index(last + 1));
            }
        }
        let mut forged = 0;
        for number in order {
            let piece = &program.pieces[number];
            let damaged = program.message_with(piece, program.checksum(piece) ^ 1, piece.payload.len() as i64);
            let forges = dice.below(6) == 0;
            if forges {
                match dice.below(4) {
                    0 => program.send(piece.seq, &damaged).await,
                    1 => stranger.publish(piece).await,
                    2 => nobody.publish(piece).await,
                    _ => program.send(piece.seq, b"no chunk at all").await,
                }
                forged += 1;
            }
            program.publish(piece).await;
            if dice.percent(20) {
                program.publish(piece).await;
            }
            if dice.percent(10) {
                program.publish(&program.pieces[dice.index(number + 1)]).await;
            }
        }
        self.close(&program).await;
        forged
    }

    async fn close(&self, program: &Program) {
        while !self.is_over() {
            let (code, _, said) = tokio::task::block_in_place(|| program.close(&self.installation));
            if code == 0 {
                return;
            }
            self.told.tell(&format!("job {} could not be closed: {}", program.job, said.lines().last().unwrap_or("")));
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
}

fn with(opened: &Value, key: &str, value: Value) -> Value {
    let mut opened = opened.clone();
    opened[key] = value;
    opened
}
