//! A screen of a history and a view.
//!
//! Colour is never alone: the chosen task has a mark of its own in the table, and its curve has other points.

use std::fmt::Write as _;

use medley_core::text::duration;
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Cell, Chart, Clear, Dataset, Gauge, GraphType, Paragraph, Row, Table, Wrap};
use ratatui::{Frame, Terminal};

use crate::history::{Curve, End, History};
use crate::view::{View, Watched};

/// Columns below which curves and table stand above each other.
const NARROW: u16 = 76;
const MEAN: Style = Style::new().fg(Color::Gray);
const CHOSEN: Style = Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD);
const TRAINING: Style = Style::new().fg(Color::Yellow);

/// Draws a run. Any size of the terminal will do; what finds no room is left out from below.
pub fn draw(history: &History, view: &View, frame: &mut Frame<'_>) {
    let [head, bar, middle, log, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Min(6),
        Constraint::Length((frame.area().height / 4).clamp(3, 12)),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(title(history), head);
    frame.render_widget(progress(history), bar);
    let (curves, table) = split(middle, history.curves.len());
    draw_curves(history, view, frame, curves);
    draw_tasks(history, view, frame, table);
    draw_log(history, view, frame, log);
    frame.render_widget(Line::styled(keys_line(history, view), Modifier::DIM), keys);
    if view.help {
        draw_help(view, frame);
    }
}

/// The screen as lines of text, for where there is no terminal.
///
/// # Errors
/// When it cannot be drawn.
pub fn as_text(history: &History, width: u16, height: u16) -> std::io::Result<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).map_err(std::io::Error::other)?;
    let drawn = terminal.draw(|frame| draw(history, &View::of_another_process(), frame));
    let buffer = drawn.map_err(std::io::Error::other)?.buffer.clone();
    let row = |row: &[ratatui::buffer::Cell]| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
    let lines = buffer.content.chunks(usize::from(width.max(1))).map(|cells| row(cells).trim_end().to_owned());
    // The last line names keys.
    let lines: Vec<String> = lines.take(usize::from(height.saturating_sub(1))).collect();
    Ok(lines.join("\n"))
}

/// Where the curves and the table stand.
fn split(area: Rect, tasks: usize) -> (Rect, Rect) {
    if area.width >= NARROW {
        let [curves, table] = Layout::horizontal([Constraint::Min(20), Constraint::Length(44)]).areas(area);
        return (curves, table);
    }
    let rows = u16::try_from(tasks).unwrap_or(u16::MAX).saturating_add(4);
    let [curves, table] = Layout::vertical([Constraint::Min(0), Constraint::Length(rows)]).areas(area);
    (curves, table)
}

fn title(history: &History) -> Line<'static> {
    let mut parts = vec![Span::styled(printable(&history.run), Modifier::BOLD)];
    if let Some((seed, index)) = history.seed {
        parts.push(Span::raw(format!("   seed {seed} ({} of {})", index + 1, history.seeds.len())));
        parts.push(Span::raw(format!("   epoch {} of {}", history.epoch.saturating_add(1), history.epochs)));
    }
    if let Some(loss) = history.loss {
        parts.push(Span::raw(format!("   loss {loss:.3}")));
    }
    if let Some(rate) = history.learning_rate {
        parts.push(Span::raw(format!("   rate {rate:.1e}")));
    }
    Line::from(parts)
}

fn progress(history: &History) -> Gauge<'static> {
    let position = history.position();
    let ratio = position.done as f64 / position.total.max(1) as f64;
    let mut label = format!("{:.0} %  {} elapsed", 100.0 * ratio, duration(position.elapsed));
    match &history.end {
        Some(End::Finished { harmonic_mean: Some(score) }) => {
            label = format!("finished: test harmonic mean {score:.4}");
        }
        Some(End::Finished { harmonic_mean: None }) => "finished".clone_into(&mut label),
        Some(End::Interrupted) => "stopped".clone_into(&mut label),
        None => {
            if let Some(left) = position.left {
                let _ = write!(label, ", {} left", duration(left));
            }
            if let Some((split, share)) = &history.predicting {
                let _ = write!(label, "  predicting {split} {:.0} %", 100.0 * share);
            } else if let Some((speed, wait)) = history.speed {
                let _ = write!(label, "  {speed:.0} images/s, {:.1} % waiting", 100.0 * wait);
            }
        }
    }
    let style = Style::new().fg(Color::Blue).bg(Color::Black);
    Gauge::default().ratio(ratio.clamp(0.0, 1.0)).label(label).gauge_style(style).use_unicode(true)
}

/// A curve with its name, its colour and its mark.
type Drawn = (String, Vec<(f64, f64)>, Style, Marker);

fn draw_curves(history: &History, view: &View, frame: &mut Frame<'_>, area: Rect) {
    let chosen = view.task.and_then(|task| history.curves.get(task));
    let of = |curve: &Curve| if view.loss { curve.loss.clone() } else { curve.macro_f1.clone() };
    let mut lines: Vec<Drawn> = Vec::new();
    if view.loss {
        lines.push(("training".to_owned(), history.train_loss.clone(), TRAINING, Marker::Dot));
    } else {
        lines.push(("all tasks".to_owned(), history.mean.clone(), MEAN, Marker::Braille));
    }
    match chosen {
        Some(curve) => lines.push((printable(&curve.task), of(curve), CHOSEN, Marker::Dot)),
        None if view.loss => {
            for curve in &history.curves {
                lines.push((printable(&curve.task), of(curve), MEAN, Marker::Braille));
            }
        }
        None => {}
    }
    for (_, points, ..) in &mut lines {
        points.retain(|(_, value)| value.is_finite());
    }
    let what = if view.loss { "loss" } else { "macro-F1, validation" };
    let block = Block::bordered().title(format!(" {what} by epoch "));
    let values = || lines.iter().flat_map(|(_, points, ..)| points.iter().map(|&(_, value)| value));
    if values().next().is_none() {
        frame.render_widget(Paragraph::new("after the first epoch").centered().block(block), area);
        return;
    }
    let low = if view.loss { 0.0 } else { values().fold(1.0, f64::min) };
    let high = values().fold(low, f64::max);
    let (low, high) = if high - low < 0.05 { ((low - 0.05).max(0.0), high + 0.05) } else { (low, high) };
    let last =
        lines.iter().filter_map(|(_, points, ..)| points.last()).fold(2.0_f64, |last, &(epoch, _)| last.max(epoch));
    let last = last.max(history.epochs as f64);
    let datasets = lines.iter().map(|(name, points, style, marker)| {
        let set = Dataset::default().name(name.clone()).data(points).style(*style).marker(*marker);
        set.graph_type(if points.len() > 1 { GraphType::Line } else { GraphType::Scatter })
    });
    let number = |value: f64| Span::raw(format!("{value:.2}"));
    let chart = Chart::new(datasets.collect())
        .block(block)
        .x_axis(Axis::default().bounds([1.0, last]).labels(["1".to_owned(), format!("{last:.0}")]))
        .y_axis(Axis::default().bounds([low, high]).labels([
            number(low),
            number(f64::midpoint(low, high)),
            number(high),
        ]));
    frame.render_widget(chart, area);
}

fn draw_tasks(history: &History, view: &View, frame: &mut Frame<'_>, area: Rect) {
    let number = |value: Option<f64>| Cell::from(value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}")));
    let row = |index: usize, curve: &Curve| {
        let chosen = view.task == Some(index);
        let name = format!("{}{}", if chosen { "> " } else { "  " }, printable(&curve.task));
        let now = curve.macro_f1.last().map(|point| point.1);
        let best = curve.best().map(|(_, value)| value);
        let cells = [Cell::from(name), number(now), number(best), number(curve.auc), number(curve.accuracy)];
        Row::new(cells).style(if chosen { CHOSEN } else { Style::new() })
    };
    // The chosen task stays in sight, however many there are.
    let room = usize::from(area.height.saturating_sub(4)).max(1);
    let first = view.task.map_or(0, |task| (task + 1).saturating_sub(room));
    let mean = history.mean.last().map(|point| point.1);
    let best = history.mean.iter().map(|point| point.1).filter(|value| value.is_finite()).reduce(f64::max);
    let all = Row::new([
        Cell::from(if view.task.is_none() { "> all tasks" } else { "  all tasks" }),
        number(mean),
        number(best),
        Cell::from(""),
        Cell::from(""),
    ]);
    let rows = history.curves.iter().enumerate().skip(first).map(|(index, curve)| row(index, curve));
    let widths = [
        Constraint::Min(16),
        Constraint::Length(5),
        Constraint::Length(5),
        Constraint::Length(5),
        Constraint::Length(5),
    ];
    let table = Table::new(std::iter::once(all).chain(rows), widths)
        .header(Row::new(["  task", "F1", "best", "AUC", "acc."]).style(Modifier::BOLD))
        .block(Block::bordered().title(" validation "));
    frame.render_widget(table, area);
}

fn draw_log(history: &History, view: &View, frame: &mut Frame<'_>, area: Rect) {
    let room = usize::from(area.height.saturating_sub(2));
    let end = history.log().len().saturating_sub(view.scrolled);
    let lines = history.log().skip(end.saturating_sub(room)).take(room.min(end));
    let lines: Vec<Line<'_>> = lines.map(|line| Line::raw(printable(line))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" log ")), area);
}

fn keys_line(history: &History, view: &View) -> &'static str {
    match (view.watched, &history.end) {
        (_, Some(_)) => "q close",
        (Watched::Other, None) => "q close (the run goes on)   up/down task   l loss   ? keys",
        (Watched::Own, None) if view.stops_now => "stopping after this batch …",
        (Watched::Own, None) if view.stops_after_epoch => "stopping after this epoch; e goes on   q stop now",
        (Watched::Own, None) => "q stop now   e stop after the epoch   up/down task   l loss   ? keys",
    }
}

fn draw_help(view: &View, frame: &mut Frame<'_>) {
    let mut text = vec!["up, down, Tab  the task whose curve is drawn", "l              loss or macro-F1"];
    text.push("page up, down  the log");
    match view.watched {
        Watched::Own => text.extend([
            "e              stop after this epoch, or go on",
            "q, Ctrl-C      stop after this batch; `medley resume` continues",
        ]),
        Watched::Other => text.push("q, Ctrl-C      close; the run goes on"),
    }
    text.push("?              close this help");
    let area = frame.area();
    let size = (text.len() as u16 + 2, 68.min(area.width));
    let [_, rows, _] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(size.0), Constraint::Fill(1)]).areas(area);
    let [_, middle, _] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(size.1), Constraint::Fill(1)]).areas(rows);
    frame.render_widget(Clear, middle);
    let lines: Vec<Line<'_>> = text.into_iter().map(Line::raw).collect();
    let help = Paragraph::new(lines).wrap(Wrap { trim: false }).block(Block::bordered().title(" keys "));
    frame.render_widget(help, middle);
}

/// Names and messages come from files: nothing in them is to be obeyed by the terminal.
fn printable(text: &str) -> String {
    medley_storage::printable(text).into_owned()
}
