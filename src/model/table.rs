//! Rows of text as columns.

/// Joins rows so that every column is as wide as its longest cell, two blanks between them. A
/// cell can hold a name that somebody chose to move a terminal's cursor with.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let plain = |cell: &String| cell.replace(char::is_control, " ");
    let rows: Vec<Vec<_>> = rows
        .iter()
        .map(|row| row.iter().map(plain).collect())
        .collect();
    let mut widths = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_longest_cell() {
        let rows = [
            vec!["POD", "ROLE", "UP"],
            vec!["0", "primary", "3 d"],
            vec!["1é"],
        ];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(columns(&rows), "POD  ROLE     UP\n0    primary  3 d\n1é\n");
        assert_eq!(columns(&[]), "");
    }

    #[test]
    fn no_cell_reaches_the_terminal() {
        let rows = [vec!["role evil\u{1b}[2J\nall is well".to_owned()]];
        assert_eq!(columns(&rows), "role evil [2J all is well\n");
    }
}
