//! Files that are meant to hurt: small ones that say much of themselves, or become much. Each is told what is wrong with it, in
//! bounded memory.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

const MAIN: &str = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";

/// A zip of parts.
pub fn zipped(parts: &[(&str, String)]) -> Vec<u8> {
    let mut file = zip::ZipWriter::new(Cursor::new(vec![]));
    for (name, text) in parts {
        file.start_file(*name, SimpleFileOptions::default()).expect("begun");
        file.write_all(text.as_bytes()).expect("written");
    }
    file.finish().expect("finished").into_inner()
}

/// A workbook of one sheet, with its shared texts and styles, as XML.
pub fn workbook(rows: &str, shared: &str, styles: &str) -> Vec<u8> {
    workbook_of("", &[("A", "visible", rows)], shared, styles)
}

/// A workbook of sheets: name, state and rows of each.
pub fn workbook_of(properties: &str, sheets: &[(&str, &str, &str)], shared: &str, styles: &str) -> Vec<u8> {
    let leads = |id: &str, kind: &str, to: &str| format!("<Relationship Id=\"{id}\" Type=\"{OFFICE}/{kind}\" Target=\"{to}\"/>");
    let all = |leads: &[String]| {
        format!("<?xml version=\"1.0\"?><Relationships xmlns=\"{PACKAGE}\">{}</Relationships>", leads.concat())
    };
    let told: String = sheets
        .iter()
        .zip(1..)
        .map(|((name, state, _), at)| format!("<sheet name=\"{name}\" sheetId=\"{at}\" state=\"{state}\" r:id=\"s{at}\"/>"))
        .collect();
    let mut links = vec![leads("b", "sharedStrings", "sharedStrings.xml"), leads("c", "styles", "/xl/styles.xml")];
    links.extend((1..=sheets.len()).map(|at| leads(&format!("s{at}"), "worksheet", &format!("worksheets/sheet{at}.xml"))));
    let paths: Vec<String> = (1..=sheets.len()).map(|at| format!("xl/worksheets/sheet{at}.xml")).collect();
    let mut parts = vec![
        ("_rels/.rels", all(&[leads("a", "officeDocument", "xl/workbook.xml")])),
        ("xl/workbook.xml", format!("<workbook {MAIN} xmlns:r=\"{OFFICE}\">{properties}<sheets>{told}</sheets></workbook>")),
        ("xl/_rels/workbook.xml.rels", all(&links)),
        ("xl/sharedStrings.xml", format!("<sst {MAIN} count=\"1000000000000\" uniqueCount=\"1000000000000\">{shared}</sst>")),
        ("xl/styles.xml", format!("<styleSheet {MAIN}>{styles}</styleSheet>")),
    ];
    let sheet = |rows: &str| format!("<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>");
    parts.extend(paths.iter().zip(sheets).map(|(path, (.., rows))| (path.as_str(), sheet(rows))));
    zipped(&parts)
}

fn named(name: &str) -> String {
    format!("<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>{name}</t></is></c></row>")
}

/// Behind the header of a compound file.
fn compound() -> Vec<u8> {
    let mut head = vec![0; 512];
    head[..8].copy_from_slice(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]);
    let file = workbook(&named("title"), "", "");
    [head, vec![0xFF; 4096], vec![0; 4096], file].concat()
}

/// Format, bytes, and what is told of them.
pub fn files() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let texts = |count: usize, text: &str| format!("<si><t>{text}</t></si>").repeat(count);
    let cells = |count: usize| -> String {
        let mut row = "<row>".to_owned();
        for _ in 0..count {
            row += "<c t=\"s\"><v>0</v></c>";
        }
        row + "</row>"
    };
    let mega = "x".repeat(1 << 20);
    let mut names = "<row>".to_owned();
    for n in 0..1000 {
        _ = write!(names, "<c t=\"inlineStr\"><is><t>{n:0>250}</t></is></c>");
    }
    names += "</row>";
    let directory = {
        let mut file = zipped(&[("xl/workbook.xml", String::new())]);
        let end = file.len() - 22;
        file[end + 8..end + 12].copy_from_slice(&[0xFE; 4]); // entries
        file[end + 12..end + 16].copy_from_slice(&0xF000_0000_u32.to_le_bytes());
        file
    };
    vec![
        // H1: what it says of its size is nobody's business.
        ("xlsx", workbook("<row><c t=\"s\"><v>0</v></c></row>", &texts(1, "nothing"), ""), ""),
        // H2
        ("xlsx", compound(), "no XLSX file"),
        // H3: cells that name one text.
        ("xlsx", workbook(&(named("title") + &cells(1000)), &texts(1, &mega), ""), "a row has at most"),
        ("xlsx", workbook(&(named("title") + &cells(900).repeat(4)), &texts(1, &mega[..200_000]), ""), "a row has at most"),
        ("xlsx", workbook(&named("title"), &texts(1_500_000, "x"), ""), ""),
        ("xlsx", workbook(&named("title"), &texts(27, &mega[..1_000_000]), ""), "the shared text of a workbook has at most"),
        ("xlsx", workbook(&(names.clone() + &"<row><c><v>1</v></c></row>".repeat(2000)), "", ""), "unknown"),
        ("xlsx", directory, "no XLSX file"),
        // One token, nesting, attributes, formats.
        ("xlsx", workbook(&format!("<row><c t=\"{}\"><v>1</v></c></row>", "y".repeat(3 << 20)), "", ""), "no XLSX file"),
        ("xlsx", workbook(&"<a>".repeat(3_000_000), "", ""), "no XLSX file"),
        ("xlsx", workbook(&format!("<row {}></row>", "a=\"\" ".repeat(190_000)), "", ""), ""),
        ("xlsx", workbook(&named("title"), "", &format!("<cellXfs>{}</cellXfs>", "<xf/>".repeat(1_200_000))), "can't be read"),
        ("xlsx", workbook(&named("title"), "", &"<numFmt numFmtId=\"1\" formatCode=\"[[[[\"/>".repeat(70_000)), "can't be read"),
        ("xlsx", workbook("<row><c t=\"inlineStr\"><is><t>&a;</t></is></c></row>", "", ""), "no XLSX file"),
        ("xlsx", workbook(&(named("title") + "<row><c r=\"XFD2\"><v>1</v></c></row>"), "", ""), "at most 1000 columns"),
        (
            "xlsx",
            workbook(&(named("title") + "<row r=\"2\"><c r=\"C2\"><v>1</v></c></row>"), "", ""),
            "the cell C2 stands under no name",
        ),
        ("csv", ",".repeat(10_000_000).into_bytes(), "at most 1000 columns"),
        ("csv", format!("title\n{}", ",".repeat(10_000_000)).into_bytes(), "it has 10000001 cells, and the first row has 1"),
        ("csv", format!("title\n\"{}\"", "x".repeat(20_000_000)).into_bytes(), "a cell has at most"),
        ("csv", format!("{}\n1", "x".repeat(20_000_000)).into_bytes(), "a column's name"),
        ("csv", format!("title\n\"{}", "\"\"".repeat(5_000_000)).into_bytes(), "a cell has at most"),
        ("json", format!("[{{\"title\": [{}0]}}]", "0,".repeat(500_000)).into_bytes(), "a row has at most"),
        ("json", format!("[{{\"title\": [{}[]]}}]", "[],".repeat(300_000)).into_bytes(), "a row has at most"),
        (
            "json",
            format!(
                "{{{}\"z\": 0}}",
                (0..90_000).fold(String::new(), |mut all, n| {
                    _ = write!(all, "\"{n}\":0,");
                    all
                })
            )
            .into_bytes(),
            "a row has at most",
        ),
        ("json", format!("[{{\"title\": \"{}\"}}]", "x".repeat(30_000_000)).into_bytes(), "a row has at most"),
    ]
}
