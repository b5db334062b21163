# Pairs "A B", one a line, into B / A: the estimate and its interval of 95 % (or the next more certain one).
#
# The Hodges-Lehmann estimate and the interval that belongs to Wilcoxon's signed-rank test, over the logarithms of the
# pairs' ratios: Hollander, Wolfe and Chicken, "Nonparametric Statistical Methods", 3rd edition, sections 3.2 and 3.3.
# It asks no shape of the noise but that it is as likely up as down, and one wild run moves it little. Its exact
# distribution is counted, so few pairs are no worse than said. Below six pairs there is no such interval.
#
# Prints: estimate low high; with too few pairs low is 0 and high is inf.

{ d[++n] = log($2 / $1) }

END {
  if (n == 0) exit 1
  for (i = 1; i <= n; i++) for (j = i; j <= n; j++) walsh[++m] = (d[i] + d[j]) / 2
  sort(m)
  middle = m % 2 ? walsh[(m + 1) / 2] : (walsh[m / 2] + walsh[m / 2 + 1]) / 2
  cut = cut_off(m)
  if (cut == 0) printf "%.3f 0 inf\n", exp(middle)
  else printf "%.3f %.3f %.3f\n", exp(middle), exp(walsh[cut]), exp(walsh[m + 1 - cut])
}

# How many of the walks from each end leave 95 % between them: the largest k with P(W < k) at most 2.5 %, where W is
# the sum of those ranks 1 … n whose sign is +.
function cut_off(m,    rank, w, ways, sum, k) {
  ways[0] = 1
  for (rank = 1; rank <= n; rank++) for (w = m; w >= rank; w--) ways[w] += ways[w - rank]
  for (k = 0; sum + ways[k] <= 0.025 * 2 ^ n; k++) sum += ways[k]
  return k
}

function sort(m,    i, j, x) {
  for (i = 2; i <= m; i++) {
    x = walsh[i]
    for (j = i - 1; j >= 1 && walsh[j] > x; j--) walsh[j + 1] = walsh[j]
    walsh[j + 1] = x
  }
}
