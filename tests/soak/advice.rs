//! What a message says to type.

/// What gives nothing up that another way would keep.
pub fn is_harmless(line: &[String]) -> bool {
    !line
        .iter()
        .any(|word| word == "--force" || word.contains('<'))
}

/// The command lines that a text names, each from `vd` to the end of its sentence.
pub fn commands(text: &str) -> Vec<Vec<String>> {
    let starts = ["vd pg:", "vd postgres:", "vd delete "];
    let mut places: Vec<_> = starts
        .iter()
        .flat_map(|start| text.match_indices(start).map(|(at, _)| at))
        .collect();
    places.sort_unstable();
    places
        .into_iter()
        .map(|at| words(&text[at + "vd ".len()..]))
        .collect()
}

/// A shell's words up to where the sentence goes on.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ';' | ',' | '(' | ')' | '\n') => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let prose = [
        "or", "and", "to", "again", "in", "then", "when", "shows", "says", "makes", "tells",
    ];
    let end = words
        .iter()
        .position(|word| prose.contains(&&word[..]))
        .unwrap_or(words.len());
    words.truncate(end);
    words
}
