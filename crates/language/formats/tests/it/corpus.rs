//! Score files that others wrote: all of them are accepted, by the reader and by the schema we hand out.

use tow_formats::{Document, read, schema};

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads where the corpus is")]
fn every_score_file_of_the_corpus_is_accepted() {
    let Some(root) = std::env::var_os("TOW_CORPUS") else {
        println!("not run: TOW_CORPUS is not set");
        return;
    };
    let folder = std::path::Path::new(&root).join("score");
    let validator = jsonschema::options().build(&schema("score").unwrap()).unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "yaml") {
            continue;
        }
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let documents = read(&name, &text).unwrap_or_else(|v| panic!("{name}: {v:#?}"));
        assert!(!documents.is_empty(), "{name}");
        for document in documents {
            let Document::Score(score) = document else { panic!("{name} is no Score file") };
            assert!(score.positions.contains_key("/metadata/name"), "{name}");
        }
        // The schema for editors takes the file as it is written, lists and all.
        let value: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        let faults: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
        count += 1;
    }
    println!("measured: {count} Score files of the corpus accepted");
    assert!(count >= 30, "only {count} files in {}", folder.display());
}
