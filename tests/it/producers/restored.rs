//! Postgres restored to an earlier point forgets nothing of what another program has published, which writes no headers.

use super::installation;
use super::program::open;
use crate::accounting::account;

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_another_program_are_loaded_again_from_kafka() {
    let installation = installation().await;
    let file = installation.card_transactions("cards.txt", 600);
    let program = open(&installation, &file, &["card-transactions"]);
    let validator = installation.validator();
    program.publish(&program.pieces[0]).await;
    installation.until(1, super::LEDGER_ROWS).await;
    validator.terminate();
    installation.database.keep().await;

    let validator = installation.validator();
    program.publish_all().await;
    assert_eq!(program.close(&installation).0, 0);
    assert_eq!(program.wait(&installation, 0)["state"], "completed");
    validator.terminate();
    installation.database.restore().await;

    let said = installation.succeed(&["recover", "--yes"]);
    assert!(said.contains("closed again"), "{said}");
    let _validator = installation.validator();
    assert_eq!(program.wait(&installation, 0)["state"], "completed");
    account(&installation.database.pool, program.job, file.as_ref()).await;
}
