//! A job that is opened, published and closed by somebody else's program is one like any other.

use super::program::{Program, open};
use super::{LEDGER_ROWS, installation};
use crate::accounting::account;
use crate::installation::told;

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_its_own_loads_a_file_and_the_same_content_is_a_duplicate_then() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 600);
    let _validator = installation.validator();
    let opened = installation.json(0, &["jobs", "open", "card-transactions", "--name", "cards.txt", "--json"]);
    assert_eq!((&opened["goesOn"], &opened["lane"]), (&false.into(), &"normal".into()), "{opened}");
    assert_eq!(opened["limits"]["messageBytes"], 4_194_304);
    assert_eq!((&opened["leaseSeconds"], &opened["layout"]["header"]), (&300.into(), &false.into()));
    assert_eq!(opened["layout"]["fields"][0], "transaction_id");
    let program = Program::of(&opened, &file);
    program.publish(&program.pieces[0]).await;
    installation.until(1, LEDGER_ROWS).await;
    let (code, kept, _) = program.ask(&installation, "renew", &["--lease", "20m"]);
    assert_eq!((code, &kept["state"], &kept["chunksLoaded"]), (0, &"publishing".into(), &1.into()), "{kept}");
    assert_eq!((&kept["leaseSeconds"], &kept["hadRunOut"]), (&1200.into(), &false.into()), "{kept}");
    // The first comes again, as after an acknowledgement that was lost.
    program.publish_all().await;
    let (code, closed, said) = program.close(&installation);
    assert_eq!((code, &closed["chunks"]), (0, &10.into()), "{closed} {said}");

    let report = program.wait(&installation, 0);
    assert_eq!(
        (&report["state"], &report["file"], &report["records"]),
        (&"completed".into(), &"cards.txt".into(), &600.into())
    );
    let account = account(&installation.database.pool, program.job, file.as_ref()).await;
    assert!(account.rejected > 0 && report["rejected"] == account.rejected, "{report} {account:?}");

    // Known before: refused before anything is published.
    let refused = installation.run(&["jobs", "open", "card-transactions", "--sha256", &program.content]);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(told(&refused).contains(&format!("job {} has the same content", program.job)), "{}", told(&refused));
    // Not known before: told when it is closed, and nothing of it was in vain.
    let second = open(&installation, &file, &["card-transactions"]);
    let (code, _, said) = second.close(&installation);
    assert!(code == 3 && said.contains(&format!("job {} has the same content", program.job)), "{code} {said}");
    assert_eq!(second.wait(&installation, 3)["state"], "duplicate");
    let again = open(&installation, &file, &["card-transactions", "--sha256", &second.content, "--again"]);
    again.publish_all().await;
    assert_eq!(again.close(&installation).0, 0);
    assert_eq!(again.wait(&installation, 0)["loaded"], account.loaded);
}

#[tokio::test]
async fn people_are_told_what_they_need_and_what_is_wrong_with_what_they_ask() {
    let installation = installation().await;
    let words = installation.succeed(&["jobs", "open", "card-transactions", "--lane", "high"]);
    for part in ["token ", "fabric.Chunk", "c301", "chunks.high, 4 partitions", "fabric jobs close 1 --chunks"] {
        assert!(words.contains(part), "{part}\n{words}");
    }
    let token = "00".repeat(16);
    for (arguments, code, part) in [
        (&["jobs", "open", "absent"][..], 2, "absent"),
        (&["jobs", "open", "card-transactions", "--sha256", "12"], 2, "64 hexadecimal digits"),
        (&["jobs", "open", "card-transactions", "--lease", "1s"], 2, "5s at least"),
        (&["jobs", "open", "--resume", "9"], 2, "there is no job 9"),
        (&["jobs", "renew", "9", "--token", &token], 2, "there is no job 9"),
        (&["jobs", "renew", "1", "--token", &token], 2, "none of job 1's"),
        (&["jobs", "renew", "1", "--token", "secret"], 2, "32 hexadecimal digits"),
        (&["jobs", "renew", "1"], 2, "--token"),
        (&["jobs", "resume", "1"], 2, "published by a program that cuts its file itself"),
        (&["ingest", "--resume", "1"], 2, "fabric jobs open --resume 1"),
    ] {
        let output = installation.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {}", told(&output));
        assert!(told(&output).contains(part), "{arguments:?} {}", told(&output));
    }
}
