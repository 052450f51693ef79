# SPDX-License-Identifier: MIT
# conf.awk — options.def as a configuration file in which every key is there, commented out.
BEGIN {
	print "# larder.conf — larderd(8) reads this at start, and again on SIGHUP (systemctl reload larder)."
	print "# larder.conf(5) says more; `larderd --check-config` says what is wrong, with the line."
	print "# Sizes take K, M, G, times s, m, h, d, lists are separated by spaces. What is shown is the"
	print "# default; (start) marks what a reload does not change."
}
/^OPTION\(/ {
	line = $0
	sub(/^OPTION\( */, "", line)
	key = line
	sub(/,.*/, "", key)
	n = split(line, part, "\"")
	live = part[7] ~ /LIVE/ ? "" : " (start)"
	printf "\n# %s%s\n#%s = %s\n", part[8], live, key, part[6]
}
END {
	print "\n# What one web origin may, larder.conf(5), ORIGINS:"
	print "#[origin https://kiosk.example]\n#rights = serve infer\n#models = org/*"
	print "\n# Where models come from, larder.conf(5), UPSTREAMS:"
	print "#[upstream hub]\n#url = https://hub.example\n#redirect_hosts = cdn.hub.example"
}
