//! A kind of badness into the one rule that it breaks.

/// What is wrong with a bad record. Each breaks exactly one rule of the card-transactions feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bad {
    AmountNegative,
    AmountOver,
    AmountNotANumber,
    AmountMissing,
    /// `X` for `T`; the digits stay, so that no two records share one.
    TransactionIdMalformed,
    AccountTooShort,
    AccountTooLong,
    PostedAtUnreadable,
    /// 30 February.
    ValueDateImpossible,
    CurrencyUnknown,
    CategoryZero,
    /// The last cell is missing.
    TooFewCells,
    /// One empty cell more.
    TooManyCells,
    /// A byte 0xFF in `merchant_name`.
    MerchantNotUtf8,
    /// A byte 0x00 in `merchant_name`.
    MerchantNul,
}

impl Bad {
    /// Every kind, each as likely as any other among the bad records.
    pub const ALL: [Self; 15] = [
        Self::AmountNegative,
        Self::AmountOver,
        Self::AmountNotANumber,
        Self::AmountMissing,
        Self::TransactionIdMalformed,
        Self::AccountTooShort,
        Self::AccountTooLong,
        Self::PostedAtUnreadable,
        Self::ValueDateImpossible,
        Self::CurrencyUnknown,
        Self::CategoryZero,
        Self::TooFewCells,
        Self::TooManyCells,
        Self::MerchantNotUtf8,
        Self::MerchantNul,
    ];

    /// The rule that such a record breaks, as reports name it.
    pub fn rule(self) -> &'static str {
        match self {
            Self::AmountNegative => "amount.exclusiveMinimum",
            Self::AmountOver => "amount.maximum",
            Self::AmountNotANumber => "amount.type",
            Self::AmountMissing => "amount.required",
            Self::TransactionIdMalformed => "transaction_id.pattern",
            Self::AccountTooShort => "account_number.minLength",
            Self::AccountTooLong => "account_number.maxLength",
            Self::PostedAtUnreadable => "posted_at.type",
            Self::ValueDateImpossible => "value_date.type",
            Self::CurrencyUnknown => "currency.enum",
            Self::CategoryZero => "merchant_category.minimum",
            Self::TooFewCells | Self::TooManyCells => "record.fieldCount",
            Self::MerchantNotUtf8 => "merchant_name.encoding",
            Self::MerchantNul => "merchant_name.nul",
        }
    }
}
