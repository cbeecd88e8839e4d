//! The Huffman tables of ITU-T T.81, Annex K.3: "typical" there, and the ones that MJPEG means when it has none.

/// How many codes there are of each length from 1 to 16 bits, and what they stand for.
struct Table {
    /// Class (0: DC, 1: AC) and number (0: luminance, 1: chrominance), as they stand in the segment.
    id: u8,
    lengths: [u8; 16],
    values: Values,
}

enum Values {
    /// 0 to 11 in their order, as all DC codes are.
    Sizes,
    /// Run and size of an AC code: listed where the order is peculiar, then the rest in ascending order.
    Runs(&'static [u8]),
}

const TABLES: [Table; 4] = [
    Table { id: 0x00, lengths: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], values: Values::Sizes },
    Table {
        id: 0x10,
        lengths: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
        values: Values::Runs(&[
            0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
            0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
            0x24, 0x33, 0x62, 0x72, 0x82,
        ]),
    },
    Table { id: 0x01, lengths: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], values: Values::Sizes },
    Table {
        id: 0x11,
        lengths: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
        values: Values::Runs(&[
            0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
            0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
            0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1,
        ]),
    },
];

/// A DHT segment with all four.
pub fn standard_tables() -> Vec<u8> {
    let mut content = Vec::new();
    for Table { id, lengths, values } in &TABLES {
        content.push(*id);
        content.extend(lengths);
        match values {
            Values::Sizes => content.extend(0..=11),
            Values::Runs(peculiar) => {
                content.extend(*peculiar);
                // sizes 1 to 10 after each run of 0 to 15 zeros; the two codes without a size are peculiar
                let all = (0..=0xf).flat_map(|run| (1..=0xa).map(move |size| run << 4 | size));
                content.extend(all.filter(|code: &u8| !peculiar.contains(code)));
            }
        }
    }
    let length = u16::try_from(content.len() + 2).unwrap_or(u16::MAX);
    [&[0xff, super::DHT], &length.to_be_bytes()[..], &content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_value_for_each_code() {
        assert_eq!(standard_tables().len(), 2 + 2 + 2 * (17 + 12) + 2 * (17 + 162));
        for table in &TABLES {
            let codes: usize = table.lengths.iter().map(|&codes| usize::from(codes)).sum();
            assert_eq!(codes, if table.id & 0x10 == 0 { 12 } else { 162 });
        }
    }
}
