//! Drawings.

use std::fmt::Write as _;

/// A drawing with a logarithmic scale on both axes.
pub(super) struct Plot {
    x: [f64; 2],
    y: [f64; 2],
    body: String,
}

pub(super) const WIDTH: f64 = 520.0;
pub(super) const HEIGHT: f64 = 340.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 44.0;
const MARGIN: f64 = 12.0;

/// Text that is shown as it is.
pub(super) fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Plot {
    /// One that holds all these points; whole decades.
    pub(super) fn around(points: impl Iterator<Item = (f64, f64)>) -> Self {
        let (mut x, mut y) = ([f64::INFINITY, 0.0], [f64::INFINITY, 0.0]);
        for (px, py) in points {
            x = [x[0].min(px), f64::max(x[1], px)];
            y = [y[0].min(py), f64::max(y[1], py)];
        }
        let decades = |[low, high]: [f64; 2]| {
            if low.is_finite() && low > 0.0 {
                [low.log10().floor(), (high * 1.000_001).log10().ceil()]
            } else {
                [0.0, 1.0]
            }
        };
        Self { x: decades(x), y: decades(y), body: String::new() }
    }

    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let share = |v: f64, [low, high]: [f64; 2]| (v.log10() - low) / (high - low).max(1.0);
        let width = WIDTH - LEFT - MARGIN;
        let height = HEIGHT - BOTTOM - MARGIN;
        (LEFT + width * share(x, self.x), HEIGHT - BOTTOM - height * share(y, self.y))
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), color: &str, title: &str) {
        let (x, y) = self.place(x, y);
        let title = text(title);
        let _ = write!(
            self.body,
            "<circle cx='{x:.1}' cy='{y:.1}' r='3.5' fill='{color}' fill-opacity='.7'><title>{title}</title></circle>"
        );
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64)) {
        let ((ax, ay), (bx, by)) = (self.place(from.0, from.1), self.place(to.0, to.1));
        let _ = write!(
            self.body,
            "<line x1='{ax:.1}' y1='{ay:.1}' x2='{bx:.1}' y2='{by:.1}' stroke='currentColor' stroke-dasharray='4 3'/>"
        );
    }

    /// The ends of the x axis and of the y axis.
    pub(super) fn ends(&self) -> ([f64; 2], [f64; 2]) {
        (self.x.map(|p| 10f64.powf(p)), self.y.map(|p| 10f64.powf(p)))
    }

    pub(super) fn finish(self, x_title: &str, y_title: &str) -> String {
        let mut axes = String::new();
        let decades = |[low, high]: [f64; 2]| (low as i32)..=(high as i32);
        for p in decades(self.x) {
            let (x, _) = self.place(10f64.powi(p), 1.0);
            let (top, bottom) = (MARGIN, HEIGHT - BOTTOM);
            let _ = write!(
                axes,
                "<line class='grid' x1='{x:.1}' x2='{x:.1}' y1='{top}' y2='{bottom}'/><text x='{x:.1}' y='{}' text-anchor='middle'>{}</text>",
                bottom + 16.0,
                power(p)
            );
        }
        for p in decades(self.y) {
            let (_, y) = self.place(1.0, 10f64.powi(p));
            let _ = write!(
                axes,
                "<line class='grid' x1='{LEFT}' x2='{}' y1='{y:.1}' y2='{y:.1}'/><text x='{}' y='{:.1}' text-anchor='end'>{}</text>",
                WIDTH - MARGIN,
                LEFT - 6.0,
                y + 4.0,
                power(p)
            );
        }
        format!(
            "<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img'>{axes}{}<text x='{}' y='{}' text-anchor='middle'>{}</text><text transform='translate(14 {}) rotate(-90)' text-anchor='middle'>{}</text></svg>",
            self.body,
            f64::midpoint(LEFT, WIDTH),
            HEIGHT - 8.0,
            text(x_title),
            (HEIGHT - BOTTOM) / 2.0,
            text(y_title)
        )
    }
}

/// A power of ten in words.
fn power(p: i32) -> String {
    match p {
        -3..=5 => format!("{}", 10f64.powi(p)),
        _ => format!("1e{p}"),
    }
}
