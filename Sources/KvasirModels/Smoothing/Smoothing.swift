internal import Foundation

/// Moves the range of activations into weights, channel by channel, so that both can be rounded to 8 bits.
///
/// An input channel j of linear layers is divided by s_j = max|X_j|^alpha / max|W_j|^(1 - alpha), and its column in their
/// weights multiplied by it. Source: Xiao et al., "SmoothQuant" (arXiv:2211.10438), equation 4.
public struct Smoothing: Sendable, Hashable {
    /// The largest magnitude of every channel, by layer and site.
    public let maxima: [[SmoothingSite: [Float]]]
    /// How much of the range goes into the weights: 0 for nothing, 1 for all of it.
    public let alpha: Float
    /// Which inputs are smoothed, where the family permits it.
    public let sites: Set<SmoothingSite>

    /// The inputs that are smoothed if nothing else is said: all but attention's output, whose factors would go through the
    /// values in the cache.
    public static let usualSites: Set<SmoothingSite> = [.attention, .feedForward, .down]

    /// Describes a smoothing.
    ///
    /// - Parameters:
    ///   - maxima: of all sites of every layer.
    ///   - alpha: 0 to 1.
    ///   - sites: which inputs are smoothed.
    public init(
        maxima: [[SmoothingSite: [Float]]], alpha: Float = 0.5, sites: Set<SmoothingSite> = Self.usualSites
    ) {
        precondition(alpha >= 0 && alpha <= 1, "a share lies between 0 and 1")
        self.maxima = maxima
        self.alpha = alpha
        self.sites = sites
    }

    /// The factor of every channel; 1 for a channel that is never used.
    func factors(activations: [Float], weights: [Float]) -> [Float] {
        zip(activations, weights).map { activation, weight in
            guard activation > 0, weight > 0 else { return 1 }
            let factor = pow(Double(activation), Double(alpha)) / pow(Double(weight), 1 - Double(alpha))
            // Far beyond any channel of a model: only so that no product leaves the range of floats.
            return Float(min(max(factor, 1e-6), 1e6))
        }
    }
}
