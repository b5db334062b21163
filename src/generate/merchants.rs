//! Lists of words into a fixed table of merchants, the same for every seed.
//!
//! Four scripts, so that a file's lengths in characters and in bytes differ as they do in real ones.

use super::splitmix::SplitMix64;

/// A merchant as its records show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merchant {
    /// At most [`NAME_CHARS`] characters.
    pub name: String,
    /// An ISO 18245 category code.
    pub category: u16,
    pub country: &'static [u8; 2],
    pub currency: &'static [u8; 3],
}

/// Characters in a name: what ISO 8583 has room for in "card acceptor name/location" (field 43).
pub(super) const NAME_CHARS: usize = 40;

/// A power of two, so that a draw picks one by a mask.
pub(super) const MERCHANTS: usize = 4096;

/// The words of one script: a name is a brand, a trade and a town.
struct Script {
    /// Merchants of this script among 64.
    share: u32,
    join: &'static str,
    brands: &'static [&'static str],
    trades: &'static [(&'static str, u16)],
    towns: &'static [(&'static str, &'static [u8; 2], &'static [u8; 3])],
}

const SCRIPTS: [Script; 4] = [LATIN, GREEK, CYRILLIC, JAPANESE];

const LATIN: Script = Script {
    share: 28,
    join: ", ",
    brands: &[
        "Harbour & Sons",
        "Northwind",
        "Blue Heron",
        "Old Mill",
        "Riverside",
        "Edelweiss",
        "Gebrüder Böhm",
        "Maison Lefèvre",
        "Café Théâtre",
        "Silver Birch",
        "Three Oaks",
        "Lindenhof",
        "La Fontaine",
        "Kestrel",
        "Bright Lantern",
        "Seagrass",
    ],
    trades: &[
        ("Veterinary Clinic", 742),
        ("Landscape Gardening", 780),
        ("Supermarket", 5411),
        ("Hardware Store", 5251),
        ("Bakery and Tea Room", 5462),
        ("Family Restaurant", 5812),
        ("Pharmacy", 5912),
        ("Sporting Goods", 5941),
        ("Second-hand Bookshop", 5942),
        ("Garden Hotel", 7011),
        ("Dry Cleaners", 7216),
        ("Taxi Service", 4121),
        ("Petrol Station", 5541),
        ("Shoes and Leather", 5661),
        ("Record Shop", 5735),
        ("Opticians", 8043),
    ],
    towns: &[
        ("Zürich", b"CH", b"CHF"),
        ("St. Gallen", b"CH", b"CHF"),
        ("Genève", b"CH", b"CHF"),
        ("Edinburgh", b"GB", b"GBP"),
        ("Brighton", b"GB", b"GBP"),
        ("Portland", b"US", b"USD"),
        ("Albuquerque", b"US", b"USD"),
        ("Chicago", b"US", b"USD"),
        ("Lyon", b"FR", b"EUR"),
        ("Orléans", b"FR", b"EUR"),
        ("Göteborg", b"SE", b"EUR"),
        ("Düsseldorf", b"DE", b"EUR"),
        ("Leipzig", b"DE", b"EUR"),
        ("Salzburg", b"AT", b"EUR"),
        ("Córdoba", b"ES", b"EUR"),
        ("Trieste", b"IT", b"EUR"),
    ],
};

const GREEK: Script = Script {
    share: 12,
    join: ", ",
    brands: &[
        "Βόρεια Ακτή",
        "Το Γαλάζιο Λιμάνι",
        "Παλιός Μύλος",
        "Τρεις Ελιές",
        "Ανατολή",
        "Η Αμυγδαλιά",
        "Ωκεανός",
        "Αφοί Παππά",
    ],
    trades: &[
        ("Παντοπωλείο", 5411),
        ("Αρτοποιείο", 5462),
        ("Εστιατόριο", 5812),
        ("Φαρμακείο", 5912),
        ("Βιβλιοπωλείο", 5942),
        ("Ξενοδοχείο", 7011),
        ("Κτηνίατρος", 742),
        ("Υποδήματα", 5661),
    ],
    towns: &[
        ("Αθήνα", b"GR", b"EUR"),
        ("Θεσσαλονίκη", b"GR", b"EUR"),
        ("Πάτρα", b"GR", b"EUR"),
        ("Ηράκλειο", b"GR", b"EUR"),
        ("Λευκωσία", b"CY", b"EUR"),
        ("Ιωάννινα", b"GR", b"EUR"),
        ("Λάρισα", b"GR", b"EUR"),
        ("Χανιά", b"GR", b"EUR"),
    ],
};

const CYRILLIC: Script = Script {
    share: 12,
    join: ", ",
    brands: &[
        "Северен бряг",
        "Старата мелница",
        "Три дъба",
        "Синята чапла",
        "Слънчоглед",
        "Братя Петрови",
        "Златна есен",
        "Орлово гнездо",
    ],
    trades: &[
        ("хранителни стоки", 5411),
        ("пекарна", 5462),
        ("ресторант", 5812),
        ("аптека", 5912),
        ("книжарница", 5942),
        ("семеен хотел", 7011),
        ("градинарство", 780),
        ("бензиностанция", 5541),
    ],
    towns: &[
        ("София", b"BG", b"EUR"),
        ("Пловдив", b"BG", b"EUR"),
        ("Варна", b"BG", b"EUR"),
        ("Бургас", b"BG", b"EUR"),
        ("Русе", b"BG", b"EUR"),
        ("Велико Търново", b"BG", b"EUR"),
        ("Благоевград", b"BG", b"EUR"),
        ("Плевен", b"BG", b"EUR"),
    ],
};

const JAPANESE: Script = Script {
    share: 12,
    join: "・",
    brands: &["ブルーヘロン", "北の灯り", "さくら坂", "山本兄弟商会", "みなとの風", "オールドミル", "三本松", "朝日屋"],
    trades: &[
        ("スーパーマーケット", 5411),
        ("ベーカリー", 5462),
        ("レストラン", 5812),
        ("薬局", 5912),
        ("古書店", 5942),
        ("ガーデンホテル", 7011),
        ("動物病院", 742),
        ("ガソリンスタンド", 5541),
    ],
    towns: &[
        ("東京都渋谷区", b"JP", b"JPY"),
        ("大阪市北区", b"JP", b"JPY"),
        ("横浜市中区", b"JP", b"JPY"),
        ("京都市左京区", b"JP", b"JPY"),
        ("札幌市中央区", b"JP", b"JPY"),
        ("名古屋市", b"JP", b"JPY"),
        ("神戸市", b"JP", b"JPY"),
        ("鹿児島市", b"JP", b"JPY"),
    ],
};

/// The table: [`MERCHANTS`] of them.
pub(super) fn table() -> Vec<Merchant> {
    let mut rng = SplitMix64::new(0x6661_6272_6963);
    (0..MERCHANTS).map(|_| merchant(&mut rng)).collect()
}

fn merchant(rng: &mut SplitMix64) -> Merchant {
    let script = script(rng.below(64));
    let brand = script.brands[rng.below(script.brands.len() as u32) as usize];
    let (trade, category) = script.trades[rng.below(script.trades.len() as u32) as usize];
    let (town, country, currency) = script.towns[rng.below(script.towns.len() as u32) as usize];
    let short = format!("{brand} {trade}");
    let full = format!("{short}{}{town}", script.join);
    let name = if full.chars().count() <= NAME_CHARS { full } else { short };
    Merchant { name, category, country, currency }
}

fn script(mut drawn: u32) -> &'static Script {
    for script in &SCRIPTS {
        if drawn < script.share {
            return script;
        }
        drawn -= script.share;
    }
    &SCRIPTS[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_of_the_scripts_add_up() {
        assert_eq!(SCRIPTS.iter().map(|script| script.share).sum::<u32>(), 64);
    }

    #[test]
    fn every_name_fits_and_keeps_clear_of_delimiters() {
        for merchant in table() {
            let chars = merchant.name.chars().count();
            assert!((1..=NAME_CHARS).contains(&chars), "{} has {chars} characters", merchant.name);
            assert!(!merchant.name.contains(['|', '"', '\n', '\r', '\0']), "{}", merchant.name);
            assert!((1..=9999).contains(&merchant.category));
        }
    }
}
