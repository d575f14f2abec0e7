internal import Foundation

/// How a series is told from the others: by colour, by marker and by the dashes of its line, so that any one suffices.
///
/// The colours are in the style sheet, one set for light and one for dark; they follow Okabe and Ito's palette for
/// colour-blind readers, without its yellow.
struct SeriesStyle: Hashable {
    /// Number of the colour; 0 is the ink of the text, for what others are compared with.
    let colour: Int
    let marker: Marker
    /// The dashes of its line; nil for a whole one.
    let dashes: String?

    /// Colours beside the ink.
    static let colours = 7

    /// For what others are compared with.
    static let reference = SeriesStyle(colour: 0, marker: .circle, dashes: nil)

    /// The style of a series; 56 of them differ.
    init(index: Int) {
        colour = 1 + index % Self.colours
        // The circle is the reference's, so it comes last.
        marker = Marker.allCases[(index + 1) % Marker.allCases.count]
        dashes = index < Self.colours ? nil : index < 2 * Self.colours ? "7 3" : "2 3"
    }

    private init(colour: Int, marker: Marker, dashes: String?) {
        self.colour = colour
        self.marker = marker
        self.dashes = dashes
    }

    /// The class that gives the colour.
    var colourClass: String { "c\(colour)" }
}

/// The shape of a point.
enum Marker: CaseIterable {
    case circle, square, triangle, diamond, pentagon, star, downTriangle, cross

    /// The outline of a marker, drawn so that all look equally large.
    func path(x: Double, y: Double, radius: Double) -> String {
        func polygon(_ corners: Int, _ size: Double, turned: Double = 0, inner: Double? = nil) -> String {
            let count = inner == nil ? corners : 2 * corners
            let points = (0..<count).map { index in
                let angle = (turned + Double(index) / Double(count)) * 2 * Double.pi - Double.pi / 2
                let reach = radius * size * (index % 2 == 1 ? inner ?? 1 : 1)
                return "\(place(x + reach * cos(angle))) \(place(y + reach * sin(angle)))"
            }
            return "M" + points.joined(separator: "L") + "Z"
        }
        switch self {
        case .circle:
            let r = place(radius)
            return
                "M\(place(x - radius)) \(place(y))a\(r) \(r) 0 1 0 \(place(2 * radius)) 0a\(r) \(r) 0 1 0 \(place(-2 * radius)) 0Z"
        case .square: return polygon(4, 1.25, turned: 0.125)
        case .triangle: return polygon(3, 1.35)
        case .diamond: return polygon(4, 1.35)
        case .pentagon: return polygon(5, 1.15)
        case .star: return polygon(5, 1.5, inner: 0.45)
        case .downTriangle: return polygon(3, 1.35, turned: 0.5)
        case .cross: return polygon(4, 1.5, turned: 0.125, inner: 0.35)
        }
    }
}

/// A coordinate with two decimals at most.
func place(_ value: Double) -> String {
    let text = String(format: "%.2f", value)
    return text.hasSuffix(".00") ? String(text.dropLast(3)) : text
}
