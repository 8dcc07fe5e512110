//! Which columns of a table find room on a terminal.

use medley_report::tables::Table;

/// Characters of a cell on a terminal, beyond which its middle is left out: names differ at their ends.
const LONGEST_CELL: usize = 24;

/// A column of a table.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) cells: Vec<String>,
    /// What may be shown in place of each cell where there is little room.
    pub(super) short: Option<Vec<String>>,
    /// The least important columns, with the highest numbers, go first.
    pub(super) importance: u8,
}

/// The table as it is, where no width limits it; else with short cells, and without the least important columns, until it fits.
/// A column that is empty is left out.
pub(super) fn table(mut columns: Vec<Column>, width: Option<usize>) -> String {
    columns.retain(|column| column.cells.iter().any(|cell| !cell.is_empty() && cell != super::NONE));
    let Some(width) = width else { return text(&columns) };
    if fits(&columns, width) {
        return text(&columns);
    }
    for column in &mut columns {
        let cells = column.short.take().unwrap_or_else(|| std::mem::take(&mut column.cells));
        column.cells = cells.iter().map(|cell| shortened(cell, LONGEST_CELL)).collect();
    }
    while columns.len() > 1 && !fits(&columns, width) {
        let least = columns.iter().map(|column| column.importance).max();
        columns.retain(|column| Some(column.importance) != least);
    }
    text(&columns)
}

fn fits(columns: &[Column], width: usize) -> bool {
    text(columns).lines().all(|line| line.chars().count() <= width)
}

fn text(columns: &[Column]) -> String {
    let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
    let mut table = Table::new(&titles);
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        table.push(columns.iter().map(|column| column.cells[row].clone()));
    }
    table.text()
}

/// At most so many characters, without some of its middle.
pub(super) fn shortened(cell: &str, longest: usize) -> String {
    let characters: Vec<char> = cell.chars().collect();
    if characters.len() <= longest {
        return cell.to_owned();
    }
    let end = longest / 3;
    let start = longest.saturating_sub(end + 1);
    characters[..start].iter().chain(&['…']).chain(&characters[characters.len() - end..]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(title: &'static str, importance: u8, cells: &[&str], short: Option<&[&str]>) -> Column {
        let owned = |cells: &[&str]| cells.iter().map(ToString::to_string).collect();
        Column { title, importance, cells: owned(cells), short: short.map(owned) }
    }

    fn columns() -> Vec<Column> {
        vec![
            column("name", 0, &["small-three-with-a-long-name-12", "b"], None),
            column("tasks", 2, &["breastmnist, retinamnist", "octmnist"], Some(&["breastmnist +1", "octmnist"])),
            column("seeds", 1, &["3", "1"], None),
            column("tags", 3, &["", "-"], None),
        ]
    }

    #[test]
    fn columns_go_from_the_least_important_until_the_rest_fits() {
        let wide = "name                             tasks                     seeds\n\
                    small-three-with-a-long-name-12  breastmnist, retinamnist      3\n\
                    b                                octmnist                      1";
        assert_eq!(table(columns(), None), wide);
        assert_eq!(table(columns(), Some(80)), wide);
        let narrow = "name                      tasks           seeds\n\
                      small-three-wit…-name-12  breastmnist +1      3\n\
                      b                         octmnist            1";
        assert_eq!(table(columns(), Some(60)), narrow);
        assert!(table(columns(), Some(40)).starts_with("name                      seeds\n"));
        assert!(table(columns(), Some(1)).starts_with("name\n"));
    }
}
