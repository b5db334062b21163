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
    FenceSkipped "fence-skipped" "A chunk that the ledger knows already is loaded once more."
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
