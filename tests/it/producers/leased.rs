//! The lease of a job that a program publishes: renewed, run out, taken over, and of no use once the job has ended.

use super::installation;
use super::program::open;
use crate::accounting::account;
use crate::installation::told;

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ran_out_is_renewed_unless_another_run_took_it() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 300);
    let validator = installation.validator();
    let first = open(&installation, &file, &["card-transactions"]);
    first.publish(&first.pieces[0]).await;
    let job = first.job.to_string();
    let leased = installation.run(&["jobs", "open", "--resume", &job]);
    assert_eq!(leased.status.code(), Some(1), "{}", told(&leased));
    assert!(told(&leased).contains("whose lease runs for"), "{}", told(&leased));

    let run_out = "update fabric.jobs set lease_until = clock_timestamp() - interval '1 second'";
    installation.database.run(run_out).await;
    installation.until(1, "select count(*) from fabric.jobs where state = 'stalled'").await;
    let (code, kept, said) = first.ask(&installation, "renew", &[]);
    assert_eq!((code, &kept["state"], &kept["hadRunOut"]), (0, &"publishing".into(), &true.into()), "{kept}");
    assert!(said.contains("had run out"), "{said}");

    installation.database.run(run_out).await;
    let second = open(&installation, &file, &["--resume", &job]);
    assert!(second.job == first.job && second.token != first.token);
    for verb in ["renew", "close"] {
        let (code, _, said) = match verb {
            "renew" => first.ask(&installation, "renew", &[]),
            _ => first.close(&installation),
        };
        assert!(code == 1 && said.contains("published by another run now"), "{code} {said}");
    }
    // Both publish: each chunk is loaded once.
    first.publish_all().await;
    second.publish_all().await;
    assert_eq!(second.close(&installation).0, 0);
    assert_eq!(second.wait(&installation, 0)["records"], 300);
    account(&installation.database.pool, second.job, file.as_ref()).await;
    let (code, _, said) = second.ask(&installation, "renew", &[]);
    assert!(code == 3 && said.contains("takes no more chunks"), "{code} {said}");
    validator.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_told_to_its_program() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 300);
    let program = open(&installation, &file, &["card-transactions"]);
    installation.succeed(&["jobs", "cancel", &program.job.to_string(), "--yes"]);
    for (code, _, said) in [program.ask(&installation, "renew", &[]), program.close(&installation)] {
        assert!(code == 3 && said.contains("is stopped: it takes no more chunks"), "{code} {said}");
    }
}
