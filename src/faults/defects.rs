//! Deliberate defects: each is a mistake that somebody could have made, at one place, and that the fault suite must find.

#[cfg(feature = "faults")]
use std::sync::OnceLock;

/// One table: the defect, its name for people, and what it breaks.
macro_rules! defects {
    ($($defect:ident $name:literal $breaks:literal)*) => {
        /// A mistake that can be turned on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Defect {
            $(#[doc = $breaks] $defect,)*
        }

        /// All of them.
        #[cfg(feature = "faults")]
        pub const DEFECTS: &[Defect] = &[$(Defect::$defect,)*];

        #[cfg(feature = "faults")]
        impl Defect {
            /// As `FABRIC_TEST_DEFECT` has it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$defect => $name,)* }
            }

            /// One sentence.
            pub const fn breaks(self) -> &'static str {
                match self { $(Self::$defect => $breaks,)* }
            }

            pub fn named(name: &str) -> Option<Self> {
                DEFECTS.iter().copied().find(|defect| defect.name() == name)
            }
        }
    };
}

defects! {
    // Publishing.
    TailLost "tail-lost" "The last chunk of a file, which is a partial one, is not published."
    DeliveryErrorIgnored "delivery-error-ignored" "A chunk that Kafka did not take counts as acknowledged."
    ForeignTokenTaken "foreign-token-taken" "A chunk of a job is taken whose token is another job's."
    ChecksumIgnored "checksum-ignored" "A chunk is judged whose bytes are not those that it states the checksum of."
    // Judging.
    JudgedByActive "judged-by-active" "A chunk is judged by the active version of its feed, not by the one that its job pinned."
    FirstVersionKept "first-version-kept" "A process goes on with the first version of a feed that it has heard of."
    CentsCut "cents-cut" "Decimals lose what stands behind the point: a control sum is off."
    // Loading chunks.
    LedgerUnasked "ledger-unasked" "A chunk that the ledger has already is loaded once more."
    StoppedLoaded "stopped-loaded" "A chunk of a job that has stopped, or is stopping, is loaded all the same."
    RejectDropped "reject-dropped" "The last reject of each chunk is not stored."
    RejectsCountedTwice "rejects-counted-twice" "A ledger row counts each reject twice."
    FullDiskRejected "full-disk-rejected" "Records that find no room on the server's disk become rejects."
    ChunkGivenUp "chunk-given-up" "A chunk that could not be loaded for an error of nobody's making is passed over."
    TransactionLeftOpen "transaction-left-open" "The transaction of a chunk that is not let in stays open."
    LockLeft "lock-left" "A loader keeps the lock of a job that it has loaded a chunk of."
    ConnectionLeaked "connection-leaked" "Each connection of a loader leaves another one behind."
    FrozenLoaderKept "frozen-loader-kept" "A frozen loader that holds a lock is never evicted."
    // Setting aside.
    OwedUnrecorded "owed-unrecorded" "A chunk that is set aside is not put down as owed."
    TriesUncounted "tries-uncounted" "A chunk that kills process after process is never found out."
    DeadLetterDropped "dead-letter-dropped" "A message that cannot be used is passed over without a dead letter."
    // The group.
    OffsetsFirst "offsets-first" "The offset of a chunk is committed before the chunk is loaded."
    GivenUpCommitted "given-up-committed" "Chunks of a revoked partition are committed though they were rolled back."
    CustodyKept "custody-kept" "A partition that is given up stays in custody."
    ProofUnchecked "proof-unchecked" "Nobody asks whether the ledger knows the chunk that a commit names."
    // Streams.
    PositionUncompared "position-uncompared" "A batch is loaded wherever the position of its partition stands."
    StreamAtGroupsOffset "stream-at-groups-offset" "A partition of a stream begins where Kafka's group stands, not at its position."
    RefusedBatchPassed "refused-batch-passed" "A batch that the fence refused counts as loaded: the position is not read again."
    BatchGivenUp "batch-given-up" "A batch that could not be loaded for an error of nobody's making is passed over."
    AbortedRead "aborted-read" "Records of a transaction that its producer took back are loaded."
    // The steward and what people do.
    ChunksUncounted "chunks-uncounted" "A job completes without a comparison with what its publisher counted."
    SumsTwice "sums-twice" "What a job has loaded is added up twice."
    OutboxRemovedFirst "outbox-removed-first" "An event leaves the outbox before Kafka has it."
    OutboxKept "outbox-kept" "An event that Kafka has stays in the outbox."
    CancelUnlocked "cancel-unlocked" "A cancel answers while loaders are still at work on its job."
    RewindSkipped "rewind-skipped" "`fabric recover` leaves out the first partition that is to go back."
}

#[cfg(feature = "faults")]
static ON: OnceLock<Defect> = OnceLock::new();

/// Whether this process has the defect.
#[cfg(feature = "faults")]
pub fn has(defect: Defect) -> bool {
    ON.get() == Some(&defect)
}

#[cfg(feature = "faults")]
pub(super) fn turn_on(defect: Defect) {
    let _ = ON.set(defect);
}
