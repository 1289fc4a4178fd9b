"""What is derived on paper: model answers and rubrics for the exercises that a person marks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DERIVATIONS", "Derivation"]


@dataclass(frozen=True)
class Derivation:
    """A derivation that a learner writes in words and formulas.

    Attributes:
        task: what is asked for.
        answer: a model answer, Markdown.
        steps: what each point is given for, one point each.
    """

    task: str
    answer: str
    steps: tuple[str, ...]

    @property
    def points(self) -> int:
        """Points for all steps."""
        return len(self.steps)

    def rubric(self) -> str:
        """The steps as a list, one point each."""
        return "**Rubric**, one point each:\n\n" + "\n".join(f"- {step}" for step in self.steps)


DERIVATIONS = {
    "1.2": Derivation(
        r"Derive your formula from the density of $\mathcal{N}(\hat x, \sigma^2 I)$. For which $\sigma$ is it least?",
        r"The density of one pixel is $(2\pi\sigma^2)^{-1/2} \exp(-(x_i - \hat x_i)^2 / 2\sigma^2)$. Pixels are "
        r"independent, so minus the logarithm of the product is $\|x - \hat x\|^2 / 2\sigma^2 + D \log\sigma + "
        r"\frac D2 \log 2\pi$. Setting the slope with respect to $\log\sigma$ to zero gives $-\|x - \hat x\|^2 / "
        r"\sigma^2 + D = 0$: the best $\sigma^2$ is the mean squared error of a pixel.",
        (
            "the density of one pixel, with its normaliser",
            "independence turns the product into a sum, with $D \\log \\sigma$",
            "the best variance is the mean squared error of a pixel",
        ),
    ),
    "2.1": Derivation(
        r"Start from $-\log D(x)$ and $-\log(1 - D(G(z)))$ with $D = \sigma(a)$ and derive both losses in the logit.",
        r"$-\log\sigma(a) = \log(1 + e^{-a}) = \mathrm{softplus}(-a)$ and $-\log(1 - \sigma(a)) = "
        r"-\log\sigma(-a) = \mathrm{softplus}(a)$. So the discriminator's loss is $\mathbb E\,\mathrm{softplus}(-a(x)) "
        r"+ \mathbb E\,\mathrm{softplus}(a(G(z)))$, and the generator's is $\mathbb E\,\mathrm{softplus}(-a(G(z)))$. "
        r"The generator's slope is $-\sigma(-a)$: it never vanishes where the discriminator is sure of a fake.",
        (
            "$-\\log \\sigma(a)$ is softplus$(-a)$",
            "$1 - \\sigma(a) = \\sigma(-a)$ is used for the fake side",
            "the generator's slope, and why it does not vanish on bad samples",
        ),
    ),
    "2.2": Derivation(
        "Derive the best discriminator point by point, and express the value in the Jensen-Shannon divergence.",
        r"For one point the value is $p \log d + q \log(1 - d)$, concave in $d$; its slope $p/d - q/(1-d)$ is zero at "
        r"$d = p/(p+q)$. Put it in: with $m = (p+q)/2$ the value is $\sum p \log \frac{p}{2m} + q \log \frac{q}{2m} "
        r"= 2\,\mathrm{JS}(p, q) - 2 \log 2$. It is least, $-2\log 2$, when $p = q$.",
        (
            "the value splits into points, and the slope in $d$ is set to zero",
            "$d = p/(p+q)$, and it is a maximum",
            "the value is $2\\,\\mathrm{JS} - 2\\log 2$",
        ),
    ),
    "2.3": Derivation(
        "Derive the matrix of the motion near the rest point and its eigenvalues. When does it spiral?",
        r"With $f'(\theta\psi) \approx a$ the motion is $\theta' = -a\psi$, $\psi' = a\theta - \gamma\psi$. The matrix "
        r"$\begin{pmatrix} 0 & -a \\ a & -\gamma \end{pmatrix}$ has trace $-\gamma$ and determinant $a^2$, so "
        r"$\lambda = -\frac\gamma2 \pm \sqrt{\frac{\gamma^2}{4} - a^2}$. For $0 < \gamma < 2a$ they are complex with a "
        r"negative real part: a spiral inwards. For $\gamma = 0$ they are $\pm ia$: a circle.",
        (
            "the motion near the rest point is linear, with the right matrix",
            "eigenvalues from trace and determinant, with $\\gamma^2/4$ under the root",
            "circle, spiral and direct return told apart by $\\gamma$",
        ),
    ),
    "3.3": Derivation(
        "Show which weight leaves every gradient parallel to what it was.",
        r"The loss that averages over pixels is $\frac1D$ times the one that sums over them, $D = CHW$. So "
        r"$\mathrm{sum} + \lambda L = D\,(\mathrm{mean} + \frac{\lambda}{D} L)$: the weight is $\lambda / D$. The "
        r"factor $D$ scales the whole gradient; Adam does not see it, plain gradient descent needs a learning rate "
        r"that is $D$ times as large.",
        (
            "the mean is the sum over $D = CHW$",
            "the common factor is taken out, so $\\lambda/D$",
        ),
    ),
    "3.5": Derivation(
        "Derive the three estimates and their expected squared errors.",
        r"$x$ and $y$ are jointly Gaussian with covariance 1 and $\mathrm{Var}\,y = 2$, so $x | y \sim \mathcal N(y/2, "
        r"\frac12)$. The mean $y/2$ has error $\frac12$ and variance $\frac12$, which is too small. A multiple $cy$ "
        r"with variance 1 has $c = 1/\sqrt2$ and error $1 + 1 - 2c = 2 - \sqrt2 \approx 0.586$. A draw has the right "
        r"law and error $\frac12 + \frac12 = 1$.",
        (
            "the law of $x$ given $y$",
            "the stretched estimate and its error $2 - \\sqrt 2$",
            "a draw costs twice the least error",
        ),
    ),
    "5.10": Derivation(
        "Derive the saving for few and for very many patches.",
        r"Let $v = (1-r)N$ be visible. The ratio is $\frac{12Nd^2 + 2N^2d}{12vd^2 + 2v^2d} = \frac1{1-r} \cdot "
        r"\frac{6d + N}{6d + v}$. For $N \ll 6d$ the products with weights decide and it tends to $1/(1-r)$; for "
        r"$N \gg 6d/(1-r)$ attention decides and it tends to $1/(1-r)^2$.",
        (
            "both counts from eq. (5.10)",
            "the limits $1/(1-r)$ and $1/(1-r)^2$, each with its reason",
        ),
    ),
    "6.2": Derivation(
        "Derive your formula from Amdahl's law. What does it tend to for many processes, and for many pictures?",
        r"One process takes $a + bB$. Of $K$ processes each takes the fixed part and its share of the pictures, $a + "
        r"bB/K$. The ratio is the gain; with $s = a/(a + bB)$ it is $1/(s + (1-s)/K)$. For $K \to \infty$ it tends to "
        r"$(a + bB)/a = 1/s$, for $B \to \infty$ to $K$.",
        (
            "every process pays the fixed part, and the pictures are divided",
            "the ratio is eq. (6.5) with $s = a/(a + bB)$",
            "the limits $1/s$ and $K$",
        ),
    ),
    "6.3": Derivation(
        "Derive which numbers a chain of linear layers keeps, and why what leaves the last one is not among them.",
        r"The gradient of a weight matrix is the product of the gradient behind the layer with what went into it, so "
        r"the input of each layer is kept: $n_1, \dots, n_L$. A ReLU needs to know where its result is positive; its "
        r"result is the next layer's input and is there already. The last layer's output is an input of no layer. With "
        r"$P = \sum_l (n_l + 1)\, n_{l+1}$ and four bytes a number, $16P + 4B \sum_{l \le L} n_l \le$ budget.",
        (
            "a layer keeps what goes into it, because its weights' gradient needs that",
            "ReLU adds nothing",
            "weights, gradients and two moments make $16P$; the bound is solved for $B$ and rounded down",
        ),
    ),
    "7.1": Derivation(
        "Derive the interval from Student's law. What is wrong with 1.96 for three seeds?",
        r"For normal numbers $T = (\bar s - \mu) / (\hat\sigma / \sqrt n)$ follows Student's law with $n - 1$ degrees "
        r"of freedom, because $\hat\sigma$ was estimated from the same numbers. So $|T| \le t_{n-1}$ with probability "
        r"0.95, which is $\mu \in \bar s \pm t_{n-1} \hat\sigma / \sqrt n$. 1.96 belongs to a spread that is known; "
        r"for three seeds $t_2 = 4.30$, and with 1.96 the interval is less than half as wide and too often wrong.",
        (
            "the quotient and its law, with $n - 1$ degrees of freedom",
            "the inequality is solved for the mean",
            "1.96 takes the spread for known; 4.30 for three seeds",
        ),
    ),
    "7.2": Derivation(
        "Derive your formula from eq. (7.5). Does the number of knobs matter?",
        r"One trial misses the best share $q$ with probability $1 - q$, and $K$ independent ones all miss with "
        r"$(1 - q)^K$. So $1 - (1 - q)^K \ge P$ means $K \log(1 - q) \le \log(1 - P)$. Dividing by $\log(1 - q) < 0$ "
        r"turns the sign: $K \ge \log(1 - P) / \log(1 - q)$, rounded up. The knobs do not occur: $q$ is a share of all "
        r"settings.",
        (
            "all miss with probability $(1 - q)^K$",
            "the inequality turns when the logarithm is divided by, and $K$ is rounded up",
            "the share, not the number of knobs, counts",
        ),
    ),
}
"""Exercise number to what is to be derived."""
